/* The zygote library without a launcher: forks a warm runtime into PID, mount and IPC namespaces and nothing else, so
 * that the runtimes can be tested by themselves. Like the real one it makes a PID 1 first, whose child is the worker,
 * so that every fork of a runtime has the same pid. A packet on the control socket carries two descriptors: the
 * worker's socket, and a pipe that receives {pid, wait status} of each process PID 1 reaps. */
#define _GNU_SOURCE
#include "../../native/zygote/zygote.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER 1000

static void call(void (*hook)(void))
{
    if (hook)
        hook();
}

static int receive(int control, int fds[2])
{
    union {
        char space[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } rights;
    char byte;
    struct iovec body = {&byte, 1};
    struct msghdr header = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
    ssize_t length;
    do
        length = recvmsg(control, &header, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    struct cmsghdr *message = CMSG_FIRSTHDR(&header);
    if (length != 1 || !message)
        return -1;
    memcpy(fds, CMSG_DATA(message), 2 * sizeof(int));
    return 0;
}

/* As PID 1: reports every end until nothing is left. */
static _Noreturn void reap(int reports)
{
    for (;;) {
        int report[2];
        report[0] = waitpid(-1, &report[1], 0);
        if (report[0] < 0 && errno != EINTR)
            _exit(0);
        if (report[0] > 0 && write(reports, report, sizeof report) < 0)
            _exit(1);
    }
}

int cloche_zygote_serve(int control, const struct cloche_hooks *hooks)
{
    int fds[2];
    while (receive(control, fds) == 0) {
        call(hooks->before_fork);
        pid_t first = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | SIGCHLD, NULL, NULL, NULL, NULL);
        if (first == 0) {
            if (mount("proc", "/proc", "proc", 0, NULL))
                _exit(2);
            pid_t worker = fork();
            if (worker > 0) {
                for (int fd = 0; fd < 1024; fd++)
                    if (fd != fds[1])
                        close(fd);
                reap(fds[1]);
            }
            close(fds[1]);
            close(control);
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
            call(hooks->after_fork_child);
            return fds[0];
        }
        call(hooks->after_fork_parent);
        close(fds[0]);
        close(fds[1]);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    _exit(0);
}

/* A child whose own child is left to PID 1. */
pid_t cloche_fork_keep(const struct cloche_hooks *hooks)
{
    int tell[2];
    pid_t grandchild = -1;
    if (pipe(tell))
        return -errno;
    call(hooks->before_fork);
    pid_t helper = fork();
    if (helper == 0) {
        grandchild = fork();
        if (grandchild != 0) {
            (void)!write(tell[1], &grandchild, sizeof grandchild);
            _exit(0);
        }
        close(tell[0]);
        close(tell[1]);
        call(hooks->after_fork_child);
        return 0;
    }
    close(tell[1]);
    (void)!read(tell[0], &grandchild, sizeof grandchild);
    close(tell[0]);
    waitpid(helper, NULL, 0);
    call(hooks->after_fork_parent);
    return grandchild;
}

int cloche_drop_to_user(void)
{
    if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        return -errno;
    return 0;
}
