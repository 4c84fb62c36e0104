#include "launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64

static int epoll = -1;
static struct epoll_event events[EVENTS_AT_ONCE];
static int event_count;

void loop_add(struct watch *watch, uint32_t interest)
{
    if (epoll < 0 && (epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll: %s", strerror(errno));
    struct epoll_event event = {interest, {.ptr = watch}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd, &event))
        die("epoll add: %s", strerror(errno));
}

/* Also forgets what is already fetched for it, so that its memory may go. */
void loop_remove(struct watch *watch)
{
    epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = 0; i < event_count; i++)
        if (events[i].data.ptr == watch)
            events[i].data.ptr = NULL;
}

void loop_run(void)
{
    for (;;) {
        event_count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < event_count; i++) {
            struct watch *watch = events[i].data.ptr;
            if (watch)
                watch->ready(watch, events[i].events);
        }
    }
}

uint64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}
