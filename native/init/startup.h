/* What init was started with and its children may need to know. */
#ifndef CLOCHE_STARTUP_H
#define CLOCHE_STARTUP_H

#include <sys/resource.h>

/* The descriptor limit before init raised its own. */
extern struct rlimit startup_nofile;

#endif
