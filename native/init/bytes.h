/* A queue of bytes that grows to what it must hold and gives its memory back as soon as it is empty. */
#ifndef CLOCHE_BYTES_H
#define CLOCHE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *memory;
    size_t start, end, capacity;
};

static inline size_t bytes_size(const struct bytes *queue)
{
    return queue->end - queue->start;
}

static inline const uint8_t *bytes_first(const struct bytes *queue)
{
    return queue->memory + queue->start;
}

/* False when there is no memory; the queue is unchanged then. */
bool bytes_push(struct bytes *queue, const void *data, size_t size);

void bytes_pop(struct bytes *queue, size_t size);

void bytes_clear(struct bytes *queue);

#endif
