/* Starting a process of the user: from init's copy of itself to the program, or to a built-in that runs without one. */
#ifndef CLOCHE_LAUNCH_H
#define CLOCHE_LAUNCH_H

#include <sys/types.h>

#include "fields.h"

typedef int builtin_main(char **args);

struct launch {
    const struct exec_request *request;
    int stdio[3];
    builtin_main *builtin; /* null: execve of the request's arguments */
};

/*
 * The new pid, or -1 with errno. *report becomes a non-blocking descriptor on which the child says how far it got: at
 * end of file it runs the program, otherwise a u32 errno and a text come first.
 */
pid_t launch(const struct launch *launch, int *report);

#endif
