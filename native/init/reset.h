/*
 * RESET: a sandbox as it was when it started. Every process of the user is killed and reaped, the user's
 * System V IPC objects go, and so does everything in the places the user could write. Whatever cannot be removed is an
 * error, and the host destroys the sandbox.
 */
#ifndef CLOCHE_RESET_H
#define CLOCHE_RESET_H

#include <stdbool.h>
#include <sys/types.h>

#include "conn.h"

void reset_begin(struct conn *conn);

/* While true nothing new may start. */
bool reset_under_way(void);

void reset_reaped(pid_t pid, int status);

/* To be called whenever processes may have ended. */
void reset_continue(void);

#endif
