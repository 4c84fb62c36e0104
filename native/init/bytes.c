#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256 };

bool bytes_push(struct bytes *queue, const void *data, size_t size)
{
    if (size == 0)
        return true;
    size_t held = bytes_size(queue);
    if (queue->capacity - queue->end < size) {
        size_t wanted = queue->capacity > SMALLEST ? queue->capacity : SMALLEST;
        while (wanted - held < size)
            wanted *= 2;
        /* A fresh block rather than realloc: only what is still queued has to move. */
        uint8_t *memory = malloc(wanted);
        if (memory == NULL)
            return false;
        if (held > 0)
            memcpy(memory, bytes_first(queue), held);
        free(queue->memory);
        *queue = (struct bytes){.memory = memory, .start = 0, .end = held, .capacity = wanted};
    }
    memcpy(queue->memory + queue->end, data, size);
    queue->end += size;
    return true;
}

void bytes_pop(struct bytes *queue, size_t size)
{
    queue->start += size;
    if (queue->start >= queue->end)
        bytes_clear(queue);
}

void bytes_clear(struct bytes *queue)
{
    free(queue->memory);
    *queue = (struct bytes){0};
}
