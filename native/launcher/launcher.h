/* The launcher: the only part of Cloche that runs as root. It makes and ends sandboxes for a server that it does not
 * trust: fixed verbs, ids it checks, paths only under its own roots, no shell, no path from a request. One thread, one
 * epoll loop; nothing in it waits for a sandbox. */
#ifndef CLOCHE_LAUNCHER_H
#define CLOCHE_LAUNCHER_H

#include "../shared/spawn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 256
#define SERVER_FD 3
#define LAYERS_PER_SANDBOX 1

/* ---- options.c: where things are; fixed at start ---- */
struct options {
    const char *run; /* sockets: RUN/<id>.sock; 0700, the server's */
    const char *base; /* the root tree of every sandbox */
    const char *guest; /* init, zygotes and runtimes */
    const char *layers; /* LAYERS/<hash>: environments */
    const char *cgroup; /* the name of the parent group of all sandboxes */
    uid_t owner; /* the server's user, who may connect to a sandbox */
    gid_t owner_group;
    uint64_t memory_reserve; /* bytes of the machine that sandboxes together may not take */
};
extern struct options options;
void options_parse(int argc, char **argv);

/* ---- log.c: one line on stderr; the server keeps it ---- */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- loop.c ---- */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events);
    int fd;
};
void loop_add(struct watch *watch, uint32_t events);
void loop_remove(struct watch *watch);
_Noreturn void loop_run(void);
uint64_t now_us(void);

/* ---- wire.c: requests and replies on the server's socket ---- */
#define FIELD_MAX 32
struct request {
    const char *verb;
    const char *tag;
    int count;
    const char *keys[FIELD_MAX];
    const char *values[FIELD_MAX];
};
/* Parses a payload in place: it becomes NUL-separated strings. Returns false when it is not a request. */
bool request_parse(struct request *request, char *payload, size_t length);
const char *request_text(const struct request *request, const char *key);
/* A whole decimal number up to `most`; missing takes `otherwise`. */
bool request_number(const struct request *request, const char *key, uint64_t otherwise, uint64_t most, uint64_t *value);
bool id_valid(const char *text);
bool hash_valid(const char *text);

void wire_open(void (*handle)(const struct request *request));
/* Fields are "key=value" strings made by `field`; the list ends with NULL. */
void wire_ok(const char *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wire_error(const char *tag, const char *code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void wire_event(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- cgroup.c ---- */
struct limits {
    uint64_t memory, cpu_millis, pids;
    uint64_t read_bps, write_bps, read_iops, write_iops; /* 0: no limit */
};
struct counters {
    uint64_t cpu_us, memory, peak, oom_kills, pids;
};
void cgroup_open(const char *mount_table);
void cgroup_close(void);
uint32_t cgroup_v1_mask(void);
bool cgroup_v2_limits(void);
const char *cgroup_kind(void);
int cgroup_create(const char *id, const struct limits *limits);
int cgroup_limit(const char *id, const struct limits *limits);
int cgroup_join(const char *id, pid_t pid);
void cgroup_read(const char *id, struct counters *counters);
void cgroup_reset_peak(const char *id);
int cgroup_freeze(const char *id, bool frozen);
void cgroup_remove(const char *id);
void cgroup_kill_leftovers(void);

/* ---- zygote.c ---- */
struct zygote;
struct zygote *zygote_find(const char *name);
bool zygote_known(const char *name);
void zygote_start(const char *name, const char *tag);
void zygote_stop(struct zygote *zygote);
bool zygote_ask(struct zygote *zygote, const struct spawn_request *request, const int fds[2]);
bool zygote_reap(pid_t pid, int status);

/* ---- sandbox.c ---- */
void sandbox_create(const struct request *request);
void sandbox_limit(const struct request *request);
void sandbox_stat(const struct request *request);
void sandbox_freeze(const struct request *request, bool frozen);
void sandbox_kill(const struct request *request);
void sandbox_list(const char *tag);
void sandbox_spawned(const struct spawn_reply *reply);
void sandbox_zygote_lost(const struct zygote *zygote);
bool sandbox_reap(pid_t pid, int status);
void sandbox_kill_all(void);

/* ---- mounts.c ---- */
int mount_detached(const char *path, int user_namespace);
void zygote_root_enter(void);
void mounts_private(void);

/* ---- egress.c ---- */
const char *egress_unavailable(void);
/* A listener inside the network namespace to which every outside connection made there is steered, for as long as the
 * link stays open. */
int egress_listener(int network_namespace, int *link);

#endif
