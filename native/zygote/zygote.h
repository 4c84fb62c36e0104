/* The part of Cloche that turns one warm process into many sandboxes. It is linked into every zygote: the bare one (C),
 * Python's (as a shared object) and Node's (inside its addon). A zygote holds no secret and never runs tenant code; its
 * power ends at the ids of the arena's user namespace. */
#ifndef CLOCHE_ZYGOTE_H
#define CLOCHE_ZYGOTE_H

#include <sys/types.h>

/* Called around each fork of the runtime, in the zygote before and after, and in the new process. Any may be NULL. */
struct cloche_hooks {
    void (*before_fork)(void);
    void (*after_fork_parent)(void);
    void (*after_fork_child)(void);
};

/* Serves spawn requests on control_fd. Returns only in a worker: a process just forked inside a new sandbox, uid 0
 * there with SETUID, SETGID and KILL, undumpable and filtered. The value is the worker's socket to init. Ends the
 * process when the launcher goes away. hooks may be NULL. */
int cloche_zygote_serve(int control_fd, const struct cloche_hooks *hooks);

/* Forks a worker again. The child is adopted by init at once, so that init reaps it. Returns 0 in the child, its pid in
 * the worker, or -errno. */
pid_t cloche_fork_keep(const struct cloche_hooks *hooks);

/* Makes the caller user code: uid and gid 1000, no groups, no capability, dumpable. Returns 0 or -errno. */
int cloche_drop_to_user(void);

#endif
