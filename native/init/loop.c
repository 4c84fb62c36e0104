#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ROUND = 64 };

static int poll_fd = -1;
static struct grave *graves;
static struct epoll_event round_events[ROUND];
static int round_size, round_at;

int loop_open(void)
{
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    return poll_fd < 0 ? errno : 0;
}

static bool register_events(struct watch *watch, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(poll_fd, how, watch->fd, &event) == 0;
}

bool watch_open(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t))
{
    *watch = (struct watch){.fd = fd, .events = events, .ready = ready};
    if (events == 0 || register_events(watch, EPOLL_CTL_ADD, events))
        return true;
    int cause = errno;
    close(fd);
    *watch = (struct watch){.fd = -1};
    errno = cause;
    return false;
}

void watch_want(struct watch *watch, uint32_t events)
{
    if (watch->fd < 0 || watch->events == events)
        return;
    int how = watch->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (register_events(watch, how, events))
        watch->events = events;
}

void watch_close(struct watch *watch)
{
    if (watch->fd < 0)
        return;
    /* Said explicitly: a descriptor that was duplicated into a process being started would keep the registration alive.
     */
    if (watch->events != 0)
        register_events(watch, EPOLL_CTL_DEL, 0);
    close(watch->fd);
    watch->fd = -1;
    watch->events = 0;
    for (int i = round_at + 1; i < round_size; i++)
        if (round_events[i].data.ptr == watch)
            round_events[i].data.ptr = NULL;
}

void loop_free(struct grave *memory)
{
    memory->next = graves;
    graves = memory;
}

static void bury(void)
{
    while (graves != NULL) {
        struct grave *grave = graves;
        graves = grave->next;
        free(grave);
    }
}

void loop_run(bool (*after_round)(void))
{
    bool again = false;
    for (;;) {
        round_size = epoll_wait(poll_fd, round_events, ROUND, again ? 0 : -1);
        for (round_at = 0; round_at < round_size; round_at++) {
            struct watch *watch = round_events[round_at].data.ptr;
            if (watch != NULL && watch->fd >= 0)
                watch->ready(watch, round_events[round_at].events);
        }
        round_size = 0;
        again = after_round();
        bury();
    }
}
