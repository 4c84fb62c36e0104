#include "reaper.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"
#include "loop.h"
#include "reset.h"
#include "worker.h"

enum { AT_ONCE = 256 };

static struct watch signals;
static bool due;

static void on_signal(struct watch *watch, uint32_t events)
{
    (void)events;
    struct signalfd_siginfo which;
    while (read(watch->fd, &which, sizeof which) > 0)
        due = true;
}

bool reaper_open(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    /* Something may have died before anyone listened. */
    due = true;
    return fd >= 0 && watch_open(&signals, fd, EPOLLIN, on_signal);
}

bool reaper_continue(void)
{
    /*
     * A job's process can be dead before its pid has been read from the worker. Reaped now, its status would be
     * nobody's; as a zombie it waits for its name.
     */
    for (int count = 0; due && count < AT_ONCE && !worker_owes_pid(); count++) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
        if (pid <= 0) {
            due = false;
            break;
        }
        /* The worker first: a job it had not taken yet fails, and is not found as a program that exited. */
        worker_reaped(pid);
        exec_reaped(pid, status);
        reset_reaped(pid, status);
    }
    reset_continue();
    return due && !worker_owes_pid();
}
