/* The sandbox's process table. */
#ifndef CLOCHE_PROCESSES_H
#define CLOCHE_PROCESSES_H

#include <sys/types.h>

/* SIGKILL to a process, its group and everything in its session: a shell gives its jobs groups of their own. */
void kill_session(pid_t leader);

#endif
