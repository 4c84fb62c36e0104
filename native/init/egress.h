/*
 * The sandbox's way out. Programs connect to whatever address they like and land on one listening socket; the address
 * they meant is the accepted socket's own. LISTEN tells the host of each, ACCEPT picks one up, name queries over UDP go
 * to the host as they are.
 */
#ifndef CLOCHE_EGRESS_H
#define CLOCHE_EGRESS_H

#include "conn.h"

/* Takes the listening socket and binds the resolver's address. 0 or an errno. */
int egress_open(int listener);

void egress_listen(struct conn *conn);

/* False when the frame is no connection id. */
bool egress_accept(struct conn *conn, const uint8_t *payload, size_t size);

/* Drops the connections nobody has picked up and the queries nobody has answered. */
void egress_forget(void);

#endif
