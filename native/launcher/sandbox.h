/* The sandboxes: one record each, from the request to the last counter. What may follow what:
 *
 *   ASKED     the zygote has the request
 *   BUILDING  the clone exists, has joined its groups and builds its root
 *   READY     init serves
 *   ENDING    killed, not yet reaped
 *
 * Any state may go to "gone" when PID 1 is reaped; only then are groups removed, the socket unlinked and the id block
 * free for another. */
#ifndef CLOCHE_SANDBOX_TABLE_H
#define CLOCHE_SANDBOX_TABLE_H

#include "launcher.h"

enum state { ASKED, BUILDING, READY, ENDING };

struct sandbox {
    struct watch watch; /* first: the loop hands it back; watches sync */
    struct sandbox *next; /* in its bucket */
    enum state state;
    char id[SANDBOX_ID_MAX + 1];
    char environment[65];
    char create_tag[16]; /* empty once answered */
    char kill_tag[16];
    const struct zygote *zygote;
    uint32_t block;
    pid_t pid;
    int network_link; /* keeps the egress program attached */
    bool egress;
    uint64_t asked_us, cloned_us, attached_us, mounted_us;
};

/* ---- sandbox-table.c ---- */
/* A new record with an id block, in state ASKED; NULL when there is no room. */
struct sandbox *table_add(const char *id);
struct sandbox *table_find(const char *id);
struct sandbox *table_find_pid(pid_t pid);
int table_count(void);
/* Calls visit for every record, which may discard it. */
void table_each(void (*visit)(struct sandbox *sandbox, const void *argument), const void *argument);
void sandbox_socket_path(const struct sandbox *sandbox, char path[PATH_BYTES]);
/* Takes everything of it that is not a process off the host, and forgets it. */
void sandbox_discard(struct sandbox *sandbox);

/* ---- sandbox-make.c ---- */
bool read_limits(const struct request *request, struct limits *limits);
/* Answers a create that cannot go on, and lets what exists of the sandbox end. */
void sandbox_fail(struct sandbox *sandbox, const char *code, const char *hint, const char *what, int error);

#endif
