/*
 * A host connection: one per operation. Frames in are bounded and checked here; frames out wait in a queue that never
 * holds more than one frame of output plus a few small ones, because producers ask conn_can_send first. What an
 * operation does is its verb. Every call here is non-blocking, so a host that stopped reading holds up its own
 * operation only.
 */
#ifndef CLOCHE_CONN_H
#define CLOCHE_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "frames.h"
#include "loop.h"

struct conn;

struct verb {
    /* False says the frame breaks the protocol: the connection is closed and lost() called. */
    bool (*frame)(struct conn *conn, const struct frame *frame);
    /* The queue is empty, or credit came: more can be sent. */
    void (*can_send)(struct conn *conn);
    /* The host is gone. The connection must not be touched any more. */
    void (*lost)(struct conn *conn);
};

struct conn {
    struct grave grave;
    struct watch watch;
    const struct verb *verb;
    void *operation;
    struct bytes out, fields;
    uint8_t *held; /* the beginning of a frame whose end has not arrived */
    uint32_t held_size;
    uint32_t window; /* output bytes the host is ready to take */
    bool finishing, said_end;
};

/* Accepts host connections for ever. What a first frame starts is begin's to decide. */
bool conn_listen(int fd, bool (*begin)(struct conn *conn, const struct frame *first));

void conn_send(struct conn *conn, uint8_t type, const void *payload, uint32_t size);

/* Room for a frame of output now. */
static inline bool conn_can_send(const struct conn *conn)
{
    return bytes_size(&conn->out) == 0;
}

/* False when the credit breaks the window. */
bool conn_credit(struct conn *conn, const struct frame *credit);

/* The last words. The operation must let go of the connection; what is queued is still delivered. */
void conn_exit(struct conn *conn, int status);
void conn_error(struct conn *conn, int error, const char *text);

#endif
