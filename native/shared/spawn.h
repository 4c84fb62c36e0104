/* What the launcher and its zygotes say to each other. Both ends are built from one tree, so the messages are plain
 * structs on a SOCK_SEQPACKET pair: one packet, one message. Tenant code never holds an end of these sockets. */
#ifndef CLOCHE_SPAWN_H
#define CLOCHE_SPAWN_H

#include <stdint.h>

/* Host ids of the arena: everything Cloche runs for tenants lives in [ARENA_FIRST_ID, ARENA_FIRST_ID + ARENA_IDS).
 * 0x70000000 lies above every distribution's subordinate id ranges. Block 0 belongs to the zygotes themselves. */
#define ARENA_FIRST_ID 0x70000000u
#define ARENA_IDS 0x80000000u
#define BLOCK_IDS 65536u
#define BLOCKS (ARENA_IDS / BLOCK_IDS)

#define SANDBOX_ID_MAX 32
#define SANDBOX_USER 1000

enum spawn_flags {
    SPAWN_EGRESS = 1, /* route everything to loopback, where the launcher's listener takes it */
    SPAWN_TIME_NS = 2, /* clocks of its own, for what may be checkpointed */
};

/* launcher → zygote, with [listener, sync]: clone one sandbox. */
struct spawn_request {
    uint32_t block;
    uint32_t flags;
    uint64_t disk_bytes;
    uint64_t inodes;
    uint32_t user_limits; /* what /proc/sys/user/max_* is set to inside */
    uint32_t v1_controllers; /* bit per name in spawn_v1_controllers that has a hierarchy of its own on this host */
    uint32_t v2_controllers; /* not 0: the unified hierarchy carries the limits */
    char id[SANDBOX_ID_MAX + 1];
};

/* zygote → launcher: the clone exists and its id maps are written, or why not. Also sent once, with pid 0, when the
 * zygote has warmed up and serves. */
struct spawn_reply {
    char id[SANDBOX_ID_MAX + 1];
    int32_t pid;
    int32_t error; /* errno, 0 when all went well */
    char step[32];
};

/* launcher → the clone, over sync, with [base, guest] and then the optional ones: cgroups are joined, build the root. */
enum go_flags {
    GO_ENVIRONMENT = 1,
    GO_EGRESS = 2,
};
struct spawn_go {
    uint32_t flags;
};

/* the clone → launcher, over sync. init writes SYNC_READY alone, as one byte. */
enum sync_kind {
    SYNC_MOUNTED = 'M',
    SYNC_READY = 'R',
    SYNC_FAILED = 'E',
};
struct sync_message {
    uint8_t kind;
    int32_t error;
    char step[32];
};

static const char *const spawn_v1_controllers[] = {"memory", "cpu", "cpuacct", "pids"};
#define SPAWN_V1_CONTROLLERS 4

#endif
