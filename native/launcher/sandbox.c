/* The sandboxes: one record each, from the request to the last counter. What may follow what:
 *
 *   ASKED     the zygote has the request
 *   BUILDING  the clone exists, has joined its groups and builds its root
 *   READY     init serves
 *   ENDING    killed, not yet reaped
 *
 * Any state may go to "gone" when PID 1 is reaped; only then are groups removed, the socket unlinked and the id block
 * free for another. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SANDBOXES_MAX 16384
#define BUCKETS 4096
#define BACKLOG 64
#define INOTIFY_INSTANCES 64

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

static struct sandbox *buckets[BUCKETS];
static int count;
static uint32_t free_blocks[BLOCKS], free_head, free_count;

/* ---- records ---- */

static unsigned bucket(const char *id)
{
    uint32_t hash = 2166136261u;
    for (; *id; id++)
        hash = (hash ^ (uint8_t)*id) * 16777619u;
    return hash % BUCKETS;
}

static struct sandbox *find(const char *id)
{
    struct sandbox *at = buckets[bucket(id)];
    while (at && strcmp(at->id, id))
        at = at->next;
    return at;
}

static struct sandbox *find_pid(pid_t pid)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *at = buckets[i]; at; at = at->next)
            if (at->pid == pid)
                return at;
    return NULL;
}

/* First freed, first reused: a block rests as long as possible. Block 0 is the zygotes'. */
static uint32_t block_take(void)
{
    if (!free_blocks[1])
        for (free_count = 0; free_count + 1 < BLOCKS; free_count++)
            free_blocks[free_count] = free_count + 1;
    if (!free_count)
        return 0;
    uint32_t block = free_blocks[free_head];
    free_head = (free_head + 1) % BLOCKS;
    free_count--;
    return block;
}

static void block_give(uint32_t block)
{
    free_blocks[(free_head + free_count) % BLOCKS] = block;
    free_count++;
}

static void forget(struct sandbox *sandbox)
{
    struct sandbox **at = &buckets[bucket(sandbox->id)];
    while (*at != sandbox)
        at = &(*at)->next;
    *at = sandbox->next;
    count--;
    free(sandbox);
}

static void socket_path(const struct sandbox *sandbox, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.sock", options.run, sandbox->id);
}

/* ---- making one ---- */

static bool read_limits(const struct request *request, struct limits *limits)
{
    const uint64_t most = 1ull << 50;
    return request_number(request, "mem", 256ull << 20, most, &limits->memory) && limits->memory >= 4ull << 20 &&
           request_number(request, "cpu", 1000, 1024000, &limits->cpu_millis) &&
           (!limits->cpu_millis || limits->cpu_millis >= 10) && request_number(request, "pids", 128, 4194304, &limits->pids) &&
           limits->pids >= 4 && request_number(request, "rbps", 0, most, &limits->read_bps) &&
           request_number(request, "wbps", 0, most, &limits->write_bps) &&
           request_number(request, "riops", 0, most, &limits->read_iops) &&
           request_number(request, "wiops", 0, most, &limits->write_iops);
}

/* The folder is the server's alone, and only the listening descriptor goes inside: no path to the host does. */
static int listen_for_server(const struct sandbox *sandbox)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[PATH_BYTES];
    socket_path(sandbox, path);
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) ||
        (options.owner && chown(path, options.owner, options.owner_group)) || listen(fd, BACKLOG)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Answers a create that cannot go on, and lets what exists of the sandbox end. */
static void fail(struct sandbox *sandbox, const char *code, const char *hint, const char *what, int error)
{
    if (sandbox->create_tag[0])
        wire_error(sandbox->create_tag, code, hint, "%s%s%s", what, error ? ": " : "", error ? strerror(error) : "");
    sandbox->create_tag[0] = 0;
    if (sandbox->pid) {
        sandbox->state = ENDING;
        kill(sandbox->pid, SIGKILL);
    }
}

static void sync_readable(struct watch *watch, uint32_t events);

static void discard(struct sandbox *sandbox)
{
    char path[PATH_BYTES];
    if (sandbox->watch.fd >= 0) {
        loop_remove(&sandbox->watch);
        close(sandbox->watch.fd);
    }
    if (sandbox->network_link >= 0)
        close(sandbox->network_link);
    socket_path(sandbox, path);
    unlink(path);
    cgroup_remove(sandbox->id);
    block_give(sandbox->block);
    forget(sandbox);
}

static bool ask(struct sandbox *sandbox, struct zygote *zygote, const struct request *request, uint64_t disk,
                uint64_t inodes)
{
    int sync[2], listener = listen_for_server(sandbox);
    if (listener < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync)) {
        fail(sandbox, "socket_failed", "look at free descriptors and the run folder", "its socket cannot be made", errno);
        if (listener >= 0)
            close(listener);
        return false;
    }
    struct spawn_request spawn = {
        .block = sandbox->block,
        .flags = (sandbox->egress ? SPAWN_EGRESS : 0) | (request_text(request, "time") ? SPAWN_TIME_NS : 0),
        .disk_bytes = disk,
        .inodes = inodes,
        .user_limits = INOTIFY_INSTANCES,
        .v1_controllers = cgroup_v1_mask(),
        .v2_controllers = cgroup_v2_limits(),
    };
    memcpy(spawn.id, sandbox->id, sizeof spawn.id);
    bool asked = zygote_ask(zygote, &spawn, (int[2]){listener, sync[1]});
    int error = errno;
    close(listener);
    close(sync[1]);
    sandbox->watch = (struct watch){sync_readable, sync[0]};
    loop_add(&sandbox->watch, EPOLLIN);
    if (!asked)
        fail(sandbox, "zygote_busy", "ask again in a moment", "the zygote takes no more requests", error);
    return asked;
}

void sandbox_create(const struct request *request)
{
    const char *id = request_text(request, "id"), *zygote_name = request_text(request, "zygote");
    const char *network = request_text(request, "net"), *layers = request_text(request, "layers");
    struct limits limits;
    uint64_t disk, inodes;
    if (!id_valid(id) || !zygote_known(zygote_name) || (layers && *layers && !hash_valid(layers)) ||
        (network && strcmp(network, "none") && strcmp(network, "egress")) || !read_limits(request, &limits) ||
        !request_number(request, "disk", 256ull << 20, 1ull << 44, &disk) || disk < 65536 ||
        !request_number(request, "inodes", 65536, 1ull << 32, &inodes) || inodes < 64) {
        wire_error(request->tag, "request_invalid", "the fields are documented in docs/protocols.md",
                   "a field of create is missing or out of bounds");
        return;
    }
    struct zygote *zygote = zygote_find(zygote_name);
    uint32_t block;
    if (!zygote) {
        wire_error(request->tag, "zygote_not_running", "start it first", "the %s zygote is not running", zygote_name);
        return;
    }
    if (find(id) || count >= SANDBOXES_MAX || !(block = block_take())) {
        wire_error(request->tag, find(id) ? "id_taken" : "too_many", "end some first", "no more sandboxes, or the id is taken");
        return;
    }
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (!sandbox)
        die("launcher: out of memory");
    *sandbox = (struct sandbox){.watch.fd = -1, .zygote = zygote, .block = block, .network_link = -1,
                                .asked_us = now_us(), .egress = network && !strcmp(network, "egress")};
    snprintf(sandbox->id, sizeof sandbox->id, "%s", id);
    snprintf(sandbox->environment, sizeof sandbox->environment, "%s", layers ? layers : "");
    snprintf(sandbox->create_tag, sizeof sandbox->create_tag, "%s", request->tag);
    sandbox->next = buckets[bucket(id)];
    buckets[bucket(id)] = sandbox;
    count++;
    if (cgroup_create(id, &limits)) {
        fail(sandbox, "cgroup_failed", "`cloche doctor` looks at the control groups", "its control groups cannot be made", errno);
        discard(sandbox);
    } else if (!ask(sandbox, zygote, request, disk, inodes)) {
        discard(sandbox);
    }
}

static int open_namespace(pid_t pid, const char *name)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool send_go(const struct sandbox *sandbox, const int *fds, int fd_count)
{
    struct spawn_go go = {(sandbox->environment[0] ? GO_ENVIRONMENT : 0u) | (sandbox->egress ? GO_EGRESS : 0u)};
    union {
        char space[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    size_t bytes = (size_t)fd_count * sizeof(int);
    struct iovec body = {&go, sizeof go};
    struct msghdr header = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    *rights = (struct cmsghdr){CMSG_LEN(bytes), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), fds, bytes);
    return sendmsg(sandbox->watch.fd, &header, MSG_NOSIGNAL) == sizeof go;
}

/* What the clone needs and may not make itself, in the order of struct spawn_fds. Returns how many, or -1. */
static int gather(struct sandbox *sandbox, int fds[4])
{
    char path[PATH_BYTES + 80];
    int n = 0, users = open_namespace(sandbox->pid, "user");
    bool failed = users < 0 || (fds[n++] = mount_detached(options.base, users)) < 0 ||
                  (fds[n++] = mount_detached(options.guest, users)) < 0;
    if (!failed && sandbox->environment[0]) {
        snprintf(path, sizeof path, "%s/%s", options.layers, sandbox->environment);
        failed = (fds[n++] = mount_detached(path, users)) < 0;
    }
    if (!failed && sandbox->egress) {
        int network = open_namespace(sandbox->pid, "net");
        failed = network < 0 || (fds[n++] = egress_listener(network, &sandbox->network_link)) < 0;
        int error = errno;
        close(network);
        errno = error;
    }
    int error = errno;
    close(users);
    for (int i = 0; failed && i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    errno = error;
    return failed ? -1 : n;
}

void sandbox_spawned(const struct spawn_reply *reply)
{
    struct sandbox *sandbox = find(reply->id);
    int fds[4], n;
    if (!sandbox || sandbox->state != ASKED)
        return;
    sandbox->pid = reply->pid;
    sandbox->cloned_us = now_us();
    if (!reply->pid) {
        fail(sandbox, "spawn_failed", "`cloche doctor` names what the kernel refuses", reply->step, reply->error);
        discard(sandbox);
        return;
    }
    sandbox->state = BUILDING;
    if (sandbox->kill_tag[0]) {
        sandbox->state = ENDING;
        kill(sandbox->pid, SIGKILL);
    } else if (cgroup_join(sandbox->id, sandbox->pid)) {
        fail(sandbox, "cgroup_failed", "`cloche doctor` looks at the control groups", "it cannot join its control groups", errno);
    } else if ((n = gather(sandbox, fds)) < 0) {
        fail(sandbox, "mount_failed", "`cloche doctor` tests idmapped mounts", "its mounts cannot be made", errno);
    } else {
        sandbox->attached_us = now_us();
        if (!send_go(sandbox, fds, n))
            fail(sandbox, "spawn_failed", "try again", "the clone ended early", errno);
        for (int i = 0; i < n; i++)
            close(fds[i]);
    }
}

static void ready(struct sandbox *sandbox)
{
    uint64_t now = now_us();
    char path[PATH_BYTES];
    if (sandbox->state != BUILDING)
        return;
    sandbox->state = READY;
    socket_path(sandbox, path);
    wire_ok(sandbox->create_tag, "socket=%s\nclone_us=%llu\nattach_us=%llu\nmount_us=%llu\nready_us=%llu", path,
            (unsigned long long)(sandbox->cloned_us - sandbox->asked_us),
            (unsigned long long)(sandbox->attached_us - sandbox->asked_us),
            (unsigned long long)(sandbox->mounted_us - sandbox->asked_us), (unsigned long long)(now - sandbox->asked_us));
    sandbox->create_tag[0] = 0;
}

/* A sandbox's word is taken for nothing but its own readiness. */
static void sync_readable(struct watch *watch, uint32_t events)
{
    struct sandbox *sandbox = (struct sandbox *)watch;
    struct sync_message message;
    (void)events;
    ssize_t length = recv(watch->fd, &message, sizeof message, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length == 1 && message.kind == SYNC_READY) {
        ready(sandbox);
    } else if (length == sizeof message && message.kind == SYNC_MOUNTED) {
        sandbox->mounted_us = now_us();
    } else if (length == sizeof message && message.kind == SYNC_FAILED) {
        message.step[sizeof message.step - 1] = 0;
        fail(sandbox, "spawn_failed", "`cloche doctor` names what the kernel refuses", message.step, message.error);
    } else {
        loop_remove(watch); /* closed: its end is reported by the kernel */
        close(watch->fd);
        watch->fd = -1;
        if (sandbox->state == BUILDING)
            fail(sandbox, "spawn_failed", "try again", "it ended while it was made", 0);
    }
}

/* ---- its life ---- */

static struct sandbox *named(const struct request *request)
{
    const char *id = request_text(request, "id");
    struct sandbox *sandbox = id_valid(id) ? find(id) : NULL;
    if (!sandbox)
        wire_error(request->tag, "sandbox_unknown", "it may have ended", "there is no such sandbox");
    return sandbox;
}

#define COUNTERS_FORMAT "cpu_us=%llu\nmem=%llu\npeak=%llu\noom=%llu\npids=%llu\nrbytes=%llu\nwbytes=%llu"
#define COUNTERS(c)                                                                                                  \
    (unsigned long long)(c).cpu_us, (unsigned long long)(c).memory, (unsigned long long)(c).peak,                    \
        (unsigned long long)(c).oom_kills, (unsigned long long)(c).pids, (unsigned long long)(c).read_bytes,         \
        (unsigned long long)(c).written_bytes

void sandbox_limit(const struct request *request)
{
    struct limits limits;
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (!read_limits(request, &limits))
        wire_error(request->tag, "request_invalid", "the fields are those of create", "a limit is out of bounds");
    else if (cgroup_limit(sandbox->id, &limits))
        wire_error(request->tag, "limit_failed", "memory in use may exceed the new limit", "%s", strerror(errno));
    else
        wire_ok(request->tag, "id=%s", sandbox->id);
}

void sandbox_stat(const struct request *request)
{
    struct counters counters;
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    cgroup_read(sandbox->id, &counters);
    if (request_text(request, "reset"))
        cgroup_reset_peak(sandbox->id);
    wire_ok(request->tag, COUNTERS_FORMAT, COUNTERS(counters));
}

void sandbox_freeze(const struct request *request, bool frozen)
{
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (cgroup_freeze(sandbox->id, frozen))
        wire_error(request->tag, "freeze_failed", "`cloche doctor` looks at the control groups", "%s", strerror(errno));
    else
        wire_ok(request->tag, "id=%s", sandbox->id);
}

void sandbox_kill(const struct request *request)
{
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (sandbox->kill_tag[0]) {
        wire_error(request->tag, "kill_pending", "wait for the first answer", "it is being killed");
        return;
    }
    snprintf(sandbox->kill_tag, sizeof sandbox->kill_tag, "%s", request->tag);
    if (sandbox->create_tag[0])
        fail(sandbox, "killed", "create another", "it was killed while it was made", 0);
    if (sandbox->pid) {
        sandbox->state = ENDING;
        (void)cgroup_freeze(sandbox->id, false);
        kill(sandbox->pid, SIGKILL); /* PID 1 of its namespace: the kernel takes everything else with it */
    }
}

void sandbox_list(const char *tag)
{
    char ids[12000];
    size_t at = 0;
    ids[0] = 0;
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *s = buckets[i]; s && at < sizeof ids - 40; s = s->next)
            at += (size_t)snprintf(ids + at, sizeof ids - at, "%s%s", at ? "," : "", s->id);
    wire_ok(tag, "count=%d\nids=%s", count, ids);
}

void sandbox_zygote_lost(const struct zygote *zygote)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *s = buckets[i], *next; s; s = next) {
            next = s->next;
            if (s->zygote != zygote || s->state != ASKED)
                continue;
            fail(s, "zygote_lost", "try again", "its zygote ended", 0);
            if (s->kill_tag[0])
                wire_ok(s->kill_tag, "cpu_us=0\nmem=0\npeak=0\noom=0\npids=0\nrbytes=0\nwbytes=0");
            discard(s);
        }
}

bool sandbox_reap(pid_t pid, int status)
{
    struct counters counters;
    struct sandbox *sandbox = find_pid(pid);
    if (!sandbox)
        return false;
    cgroup_read(sandbox->id, &counters);
    if (sandbox->create_tag[0])
        fail(sandbox, "spawn_failed", "try again", "it ended while it was made", 0);
    else if (!sandbox->kill_tag[0] && sandbox->state == READY)
        wire_event("exit", "id=%s\nstatus=%d\n" COUNTERS_FORMAT, sandbox->id, status, COUNTERS(counters));
    char kill_tag[sizeof sandbox->kill_tag];
    memcpy(kill_tag, sandbox->kill_tag, sizeof kill_tag);
    discard(sandbox);
    if (kill_tag[0]) /* only now: the answer says that nothing of it is left */
        wire_ok(kill_tag, COUNTERS_FORMAT, COUNTERS(counters));
    return true;
}

void sandbox_kill_all(void)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *s = buckets[i]; s; s = s->next)
            if (s->pid)
                kill(s->pid, SIGKILL);
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *s = buckets[i], *next; s; s = next) {
            next = s->next;
            if (s->pid)
                waitpid(s->pid, NULL, 0);
            discard(s);
        }
}
