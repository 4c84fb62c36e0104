/* Makes a sandbox: checks the request, asks the zygote, joins the clone to its groups, hands it what only root may make,
 * and answers when init serves. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define INOTIFY_INSTANCES 64

bool read_limits(const struct request *request, struct limits *limits)
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
    sandbox_socket_path(sandbox, path);
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

void sandbox_fail(struct sandbox *sandbox, const char *code, const char *hint, const char *what, int error)
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

static bool ask(struct sandbox *sandbox, struct zygote *zygote, const struct request *request, uint64_t disk,
                uint64_t inodes)
{
    int sync[2], listener = listen_for_server(sandbox);
    if (listener < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync)) {
        sandbox_fail(sandbox, "socket_failed", "look at free descriptors and the run folder", "its socket cannot be made", errno);
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
        sandbox_fail(sandbox, "zygote_busy", "ask again in a moment", "the zygote takes no more requests", error);
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
    if (!zygote) {
        wire_error(request->tag, "zygote_not_running", "start it first", "the %s zygote is not running", zygote_name);
        return;
    }
    if (table_find(id)) {
        wire_error(request->tag, "id_taken", "choose another", "there is a sandbox of this id");
        return;
    }
    struct sandbox *sandbox = table_add(id);
    if (!sandbox) {
        wire_error(request->tag, "too_many", "end some first", "there is no room for another sandbox");
        return;
    }
    sandbox->zygote = zygote;
    sandbox->egress = network && !strcmp(network, "egress");
    snprintf(sandbox->environment, sizeof sandbox->environment, "%s", layers ? layers : "");
    snprintf(sandbox->create_tag, sizeof sandbox->create_tag, "%s", request->tag);
    if (cgroup_create(id, &limits)) {
        sandbox_fail(sandbox, "cgroup_failed", "`cloche doctor` looks at the control groups", "its control groups cannot be made", errno);
        sandbox_discard(sandbox);
    } else if (!ask(sandbox, zygote, request, disk, inodes)) {
        sandbox_discard(sandbox);
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
    struct sandbox *sandbox = table_find(reply->id);
    int fds[4], n;
    if (!sandbox || sandbox->state != ASKED)
        return;
    sandbox->pid = reply->pid;
    sandbox->cloned_us = now_us();
    if (!reply->pid) {
        sandbox_fail(sandbox, "spawn_failed", "`cloche doctor` names what the kernel refuses", reply->step, reply->error);
        sandbox_discard(sandbox);
        return;
    }
    sandbox->state = BUILDING;
    if (sandbox->kill_tag[0]) {
        sandbox->state = ENDING;
        kill(sandbox->pid, SIGKILL);
    } else if (cgroup_join(sandbox->id, sandbox->pid)) {
        sandbox_fail(sandbox, "cgroup_failed", "`cloche doctor` looks at the control groups", "it cannot join its control groups", errno);
    } else if ((n = gather(sandbox, fds)) < 0) {
        sandbox_fail(sandbox, "mount_failed", "`cloche doctor` tests idmapped mounts", "its mounts cannot be made", errno);
    } else {
        sandbox->attached_us = now_us();
        if (!send_go(sandbox, fds, n))
            sandbox_fail(sandbox, "spawn_failed", "try again", "the clone ended early", errno);
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
    sandbox_socket_path(sandbox, path);
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
        sandbox_fail(sandbox, "spawn_failed", "`cloche doctor` names what the kernel refuses", message.step, message.error);
    } else {
        loop_remove(watch); /* closed: its end is reported by the kernel */
        close(watch->fd);
        watch->fd = -1;
        if (sandbox->state == BUILDING)
            sandbox_fail(sandbox, "spawn_failed", "try again", "it ended while it was made", 0);
    }
}
