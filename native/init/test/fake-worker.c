/*
 * A runtime as init sees one: says 'R', takes a job with its three streams, and either becomes the program or clones a
 * child for init. Its jobs are shell scripts. `hang` as a job makes it read the job and then answer nothing.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FLAG_PTY = 1, FLAG_KEEP = 8 };

static void read_whole(int fd, void *memory, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, (char *)memory + at, size - at);
        if (got <= 0)
            _exit(3);
        at += (size_t)got;
    }
}

static void take_head(int control, uint32_t head[2], int stdio[3])
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } rights;
    struct iovec part = {.iov_base = head, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = rights.room, .msg_controllen = sizeof rights.room};
    if (recvmsg(control, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == NULL)
        _exit(2);
    memcpy(stdio, CMSG_DATA(CMSG_FIRSTHDR(&message)), 3 * sizeof(int));
    read_whole(control, (char *)head + 1, 7);
}

static void become(int control, const char *script, const int stdio[3], uint32_t flags)
{
    close(control);
    setsid();
    for (int i = 0; i < 3; i++)
        dup2(stdio[i], i);
    for (int i = 0; i < 3; i++)
        close(stdio[i]);
    if (flags & FLAG_PTY)
        ioctl(0, TIOCSCTTY, 0);
    if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0 ||
        chdir("/workspace") < 0)
        _exit(4);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A file rather than an argument: a job may be longer than an argument can be. */
    int file = memfd_create("job", 0);
    if (write(file, script, strlen(script)) != (ssize_t)strlen(script) || dup2(file, 9) < 0 ||
        lseek(9, 0, SEEK_SET) < 0)
        _exit(5);
    execl("/bin/sh", "sh", "/proc/self/fd/9", NULL);
    _exit(127);
}

int main(int argc, char **argv)
{
    int control = argc > 1 ? atoi(argv[1]) : -1;
    for (;;) {
        uint32_t head[2];
        int stdio[3];
        if (write(control, "R", 1) != 1)
            return 1;
        take_head(control, head, stdio);
        char *script = calloc(1, (size_t)head[0] + 1);
        read_whole(control, script, head[0]);
        if (strcmp(script, "hang") == 0)
            pause();
        if (!(head[1] & FLAG_KEEP))
            become(control, script, stdio, head[1]);
        pid_t child = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            become(control, script, stdio, head[1]);
        uint32_t answer = (uint32_t)child;
        if (write(control, &answer, sizeof answer) != sizeof answer)
            return 1;
        for (int i = 0; i < 3; i++)
            close(stdio[i]);
        free(script);
    }
}
