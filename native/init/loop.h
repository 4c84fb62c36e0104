/*
 * The one event loop: level-triggered epoll, one thread. A watch belongs to the structure it is embedded in. Closing a
 * watch inside any callback is safe: events of the same round that are still to come for it are skipped, and memory
 * given to loop_free lives until the round ends.
 */
#ifndef CLOCHE_LOOP_H
#define CLOCHE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct watch {
    int fd;          /* -1: closed */
    uint32_t events; /* 0: not registered, so that a hang-up nobody asked about cannot spin the loop */
    void (*ready)(struct watch *watch, uint32_t events);
};

int loop_open(void);

/* Takes the descriptor. False when the kernel refuses; the descriptor is closed then. */
bool watch_open(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t));

void watch_want(struct watch *watch, uint32_t events);

void watch_close(struct watch *watch);

/* The first member of whatever is given to loop_free, so that its other members stay readable until the round ends. */
struct grave {
    struct grave *next;
};

void loop_free(struct grave *memory);

/* Called once after every round, and again without waiting for as long as it returns true. */
void loop_run(bool (*after_round)(void)) __attribute__((noreturn));

#endif
