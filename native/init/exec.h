/* EXEC: a program, a job of the worker or a built-in, with its standard streams, from start to exit. */
#ifndef CLOCHE_EXEC_H
#define CLOCHE_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conn.h"

/* Starts what the fields ask for. False when they are no fields. */
bool exec_begin(struct conn *conn, const uint8_t *fields, size_t size);

/* SIGKILL to every program that was started here, one that is not the user's yet included. False when there is none. */
bool exec_kill_all(void);

/* A process has ended, perhaps the main one of an operation. */
void exec_reaped(pid_t pid, int status);

#endif
