/*
 * Bytes between a descriptor inside the sandbox and a host connection, both ways, under the windows of the protocol. A
 * source reads only what it may send at once, a sink holds at most one window: neither can be made to keep more,
 * whatever either side does.
 */
#ifndef CLOCHE_STREAM_H
#define CLOCHE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "conn.h"

/* Inside to host. */
struct source {
    struct watch watch;
    struct conn *conn;
    uint8_t type;
    bool draining;
    size_t left;                                     /* while draining: what may still be sent */
    void (*ended)(struct source *source, int error); /* closed already when called */
};

bool source_open(struct source *source, struct conn *conn, int fd, uint8_t type, void (*ended)(struct source *, int));

/* Sends one frame if there is something to send and room for it. */
void source_pump(struct source *source);

/* From now on sends no more than the descriptor holds right now, then ends. */
void source_drain(struct source *source, size_t at_most);

static inline bool source_is_open(const struct source *source)
{
    return source->watch.fd >= 0;
}

enum sink_kind {
    SINK_PIPE,
    SINK_SOCKET,   /* the end is a half-close */
    SINK_TERMINAL, /* the end is the terminal's end-of-file character */
};

/* Host to inside. */
struct sink {
    struct watch watch;
    struct conn *conn;
    enum sink_kind kind;
    struct bytes queue;
    uint32_t held; /* bytes the host has sent and was not credited for */
    uint32_t owed; /* of these, the ones the inside has taken */
    bool ending;
    uint8_t last;
    void (*ended)(struct sink *sink, int error); /* may be null; closed already when called */
};

bool sink_open(struct sink *sink, struct conn *conn, int fd, enum sink_kind kind, void (*ended)(struct sink *, int));

/* One STDIN frame; false when it breaks the window or follows the end. */
bool sink_take(struct sink *sink, const struct frame *frame);

/* Tells the host what was taken. To be called when the connection can send. */
void sink_credit(struct sink *sink);

void sink_close(struct sink *sink);

#endif
