/* A socket inside the sandbox and a host connection, joined. Each direction ends by itself; when both have, the host is
 * told EXIT 0. */
#ifndef CLOCHE_RELAY_H
#define CLOCHE_RELAY_H

#include "conn.h"

struct relay;

/* Takes the non-blocking socket. Null on an error, which the host has been told. */
struct relay *relay_begin(struct conn *conn, int socket);

/* A frame of the host's: STDIN or CREDIT. */
bool relay_frame(struct conn *conn, const struct frame *frame);

#endif
