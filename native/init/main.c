/*
 * init: process 1 of every sandbox, and the only thing in it that talks to the host.
 *
 * It serves the init protocol on one listening socket, one connection per operation: programs, jobs of a warm runtime,
 * dialled ports, the way out of the sandbox, resets. It reaps every dead process. It is one static program,
 * single-threaded around one epoll loop, and never waits for anybody: not for a slow host, not for a program that does
 * not read, not for a child that has yet to start.
 *
 * It guarantees that what it starts has the user's identity, no capability and no open descriptor but its standard
 * streams; that output is neither lost nor buffered beyond the protocol's windows; that input it does not understand
 * ends the connection it came on and nothing else. It does not build the sandbox, limit resources or filter system
 * calls: whoever executes it has done so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conn.h"
#include "dial.h"
#include "egress.h"
#include "exec.h"
#include "loop.h"
#include "reaper.h"
#include "reset.h"
#include "startup.h"
#include "text.h"
#include "user.h"
#include "worker.h"

struct rlimit startup_nofile;

struct arguments {
    int listen, sync, worker, egress;
    pid_t worker_pid;
};

static _Noreturn void die(int error, const char *what)
{
    char text[ERROR_TEXT_MAX];
    error_text(text, error, what);
    ssize_t said = write(STDERR_FILENO, "init: ", 6);
    said += write(STDERR_FILENO, text, strlen(text));
    said += write(STDERR_FILENO, "\n", 1);
    _exit(said > 0 ? 1 : 2);
}

/* `NAME=FD` or `NAME=FD:PID`. */
static bool take_argument(const char *argument, const char *name, int *fd, pid_t *pid)
{
    size_t size = strlen(name);
    if (strncmp(argument, name, size) != 0 || argument[size] != '=')
        return false;
    char *end;
    *fd = (int)strtol(argument + size + 1, &end, 10);
    if (pid != NULL && *end == ':')
        *pid = (pid_t)strtol(end + 1, &end, 10);
    if (*end != 0 || *fd < 0 || (pid != NULL && *pid < 2) || fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
        die(EINVAL, argument);
    return true;
}

static struct arguments parse_arguments(char **argv)
{
    struct arguments given = {.listen = -1, .sync = -1, .worker = -1, .egress = -1};
    for (argv++; *argv != NULL; argv++)
        if (!take_argument(*argv, "listen", &given.listen, NULL) && !take_argument(*argv, "sync", &given.sync, NULL) &&
            !take_argument(*argv, "worker", &given.worker, &given.worker_pid) &&
            !take_argument(*argv, "egress", &given.egress, NULL))
            die(EINVAL, *argv);
    if (given.listen < 0 || given.sync < 0)
        die(EINVAL, "listen= and sync= are needed");
    return given;
}

static void prepare_process(void)
{
    identity_harden();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    /* All of them, SIGCHLD too: it is read from a descriptor. What somebody ignored before us would be ignored by every
     * program. */
    /* By the bare call: glibc will not touch the two signals it keeps for itself, and they may come ignored. */
    const unsigned long plain[4] = {0}; /* handler SIG_DFL, flags, restorer, mask, as the kernel lays them out */
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, plain, NULL, 8);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (chdir("/") < 0)
        die(errno, "/");

    getrlimit(RLIMIT_NOFILE, &startup_nofile);
    struct rlimit most = {.rlim_cur = startup_nofile.rlim_max, .rlim_max = startup_nofile.rlim_max};
    setrlimit(RLIMIT_NOFILE, &most);
}

/* EXEC and its parts: fields are gathered until the last frame of them. */
static bool take_fields(struct conn *conn, const struct frame *frame)
{
    if (bytes_size(&conn->fields) + frame->size > FIELDS_MAX || !bytes_push(&conn->fields, frame->payload, frame->size))
        return false;
    if (frame->type == FRAME_EXEC_PART)
        return true;
    if (reset_under_way()) {
        conn_error(conn, EBUSY, "EBUSY: the sandbox is being reset");
        return true;
    }
    bool sound = exec_begin(conn, bytes_first(&conn->fields), bytes_size(&conn->fields));
    bytes_clear(&conn->fields);
    return sound;
}

static bool begin(struct conn *conn, const struct frame *first)
{
    if (first->type == FRAME_EXEC || first->type == FRAME_EXEC_PART)
        return take_fields(conn, first);
    /* After a part only more of the same may come. */
    if (bytes_size(&conn->fields) > 0)
        return false;
    switch (first->type) {
    case FRAME_DIAL:
        return dial_begin(conn, first->payload, first->size);
    case FRAME_LISTEN:
        if (first->size == 0)
            egress_listen(conn);
        return first->size == 0;
    case FRAME_ACCEPT:
        return egress_accept(conn, first->payload, first->size);
    case FRAME_RESET:
        if (first->size == 0)
            reset_begin(conn);
        return first->size == 0;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    prepare_process();
    struct arguments given = parse_arguments(argv);

    int error = loop_open();
    if (error != 0)
        die(error, "epoll");
    if (!reaper_open())
        die(errno, "signals");
    error = given.egress >= 0 ? egress_open(given.egress) : 0;
    if (error != 0)
        die(error, "egress");
    if (given.worker >= 0 && !worker_open(given.worker, given.worker_pid))
        die(errno, "worker");
    if (fcntl(given.listen, F_SETFL, O_NONBLOCK) < 0 || !conn_listen(given.listen, begin))
        die(errno, "listen");

    if (write(given.sync, "R", 1) != 1)
        die(errno, "sync");
    close(given.sync);
    loop_run(reaper_continue);
}
