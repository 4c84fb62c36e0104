/* The helpers built into init. They run in a process of their own, as the user, so they can reach nothing user code
 * cannot. */
#ifndef CLOCHE_BUILTINS_H
#define CLOCHE_BUILTINS_H

#include "launch.h"

/* Null when there is none of this name. */
builtin_main *builtin_named(const char *name);

/* Each returns its exit code: 0, or the errno of what went wrong after saying so on standard error. */
int files_in(char **args);
int files_out(char **args);
int wipe(char **args);

/* Says "name: ETHIS: what" on standard error. The code to exit with. */
int builtin_complain(const char *name, int error, const char *what);

/* The whole size or an end: 1, 0 at the end of input before the first byte, -1 with errno. */
int read_whole(int fd, void *data, size_t size);
int write_whole(int fd, const void *data, size_t size);

#endif
