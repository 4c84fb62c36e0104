/* DIAL: a connection to a port or socket inside the sandbox, relayed. */
#ifndef CLOCHE_DIAL_H
#define CLOCHE_DIAL_H

#include "conn.h"

/* target is "tcp:PORT" or "unix:/path". False when it is neither. */
bool dial_begin(struct conn *conn, const uint8_t *target, size_t size);

#endif
