/* The standard streams of a process: pipes or a terminal, created as the user so that /dev/stdout and its like can be
 * opened again inside. */
#ifndef CLOCHE_STANDARD_STREAMS_H
#define CLOCHE_STANDARD_STREAMS_H

#include <stdbool.h>

#include "fields.h"

struct stdio {
    int child[3];     /* the same descriptor three times for a terminal */
    int in, out, err; /* init's non-blocking ends, -1 where there is none */
};

/* 0 or an errno; nothing stays open on an error. */
int stdio_open(struct stdio *stdio, const struct exec_request *request);

void stdio_close_child(struct stdio *stdio);

void stdio_close(struct stdio *stdio);

#endif
