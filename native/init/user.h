/*
 * Acting as the sandbox's user without giving up being root. Each of these leaves the identity as it found it, and asks
 * again for what the kernel takes away at every change of identity: staying unreadable, and dying with the parent.
 */
#ifndef CLOCHE_USER_H
#define CLOCHE_USER_H

#include <stdbool.h>
#include <stdint.h>

/* Unreadable to the user's processes, and gone when the parent is. */
void identity_harden(void);

/* What is created or opened in between belongs to, and is checked against, that user. */
void files_as_user(uint32_t uid);
void files_as_root(void);

/*
 * Kills every process of the user at one instant, and says whether there was any, dead ones not yet reaped included.
 * While kill(-1) walks the table nothing can fork past it. The runtime's own processes are left alone: a process with
 * the user's identity and no capability has no right to signal them.
 */
bool kill_user_processes(void);

#endif
