/* Inside the zygote library: the steps by which a clone becomes PID 1 of a sandbox. */
#ifndef CLOCHE_SANDBOX_H
#define CLOCHE_SANDBOX_H

#include "../shared/spawn.h"

/* What the launcher handed to the clone; -1 where not given. */
struct spawn_fds {
    int base;
    int guest;
    int environment;
    int egress;
};

/* The first step that failed. Every function below returns 0, or -1 with *failed naming the step and errno set. */
extern const char *sandbox_failed_step;
int fail_step(const char *step);

/* root.c: mounts the sandbox's root and makes it the process's own. */
int root_enter(const struct spawn_request *request, const struct spawn_fds *fds);

/* network.c, in the zygote: a namespace for the next clone to inherit, and the route of egress in it. */
int network_make(void);
int network_route(void);

/* privilege.c */
int privilege_limit_namespace(const struct spawn_request *request);
int privilege_confine(void);

/* seccomp.c: prepare once in the zygote, install in the clone. */
void seccomp_prepare(void);
int seccomp_install(void);

/* Writes a short string to a file under /proc. */
int write_file(const char *path, const char *text);

#endif
