/* Zygotes: warm processes that clone sandboxes on request. Each is started here as root, gives everything up but a
 * few rights over the arena's user namespace, and then execs its runtime from the base tree. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OOM_SCORE "500"
#define FILES_MAX 65536
/* Over the arena's user namespace only: to take a block's ids, and to make network namespaces. */
#define ARENA_CAPABILITIES ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_SYS_ADMIN) | (1u << CAP_NET_ADMIN))

struct zygote {
    struct watch watch; /* first: the loop hands it back */
    const char *name;
    const char *program;
    char *const *argv;
    pid_t pid;
    uint64_t started_us;
    bool serving;
    char tag[16];
};

static char *const bare[] = {"zygote", NULL};
static char *const python[] = {"python3", "-I", "-B", "/opt/cloche/python/zygote.py", NULL};
/* Why these flags: a fork has only the thread that called it, so V8 may have no other. */
static char *const node[] = {"node",                        "--single-threaded", "--v8-pool-size=0",
                             "--experimental-transform-types", "--disable-warning=ExperimentalWarning", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "-r", "/opt/cloche/node/zygote.cjs", "/workspace/main.js", NULL};
static char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/workspace", "LANG=C.UTF-8", NULL};

static struct zygote zygotes[] = {
    {.name = "bare", .program = "/opt/cloche/zygote", .argv = bare},
    {.name = "python", .program = "/usr/bin/python3", .argv = python},
    {.name = "node", .program = "/usr/local/bin/node", .argv = node},
};
#define ZYGOTES (sizeof zygotes / sizeof *zygotes)

bool zygote_known(const char *name)
{
    for (size_t i = 0; i < ZYGOTES; i++)
        if (name && !strcmp(zygotes[i].name, name))
            return true;
    return false;
}

struct zygote *zygote_find(const char *name)
{
    for (size_t i = 0; i < ZYGOTES; i++)
        if (!strcmp(zygotes[i].name, name) && zygotes[i].serving)
            return &zygotes[i];
    return NULL;
}

/* ---- the child ---- */

static void must(int failed, const char *what)
{
    if (failed)
        die("zygote: %s: %s", what, strerror(errno));
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int failed = fd < 0 || write(fd, text, strlen(text)) < 0;
    close(fd);
    return failed;
}

static void keep_only_arena_capabilities(void)
{
    for (int capability = 0; capability <= 63; capability++)
        if (!(capability < 32 && (ARENA_CAPABILITIES >> capability & 1)) &&
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL)
            die("zygote: bounding set: %s", strerror(errno));
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{ARENA_CAPABILITIES, ARENA_CAPABILITIES, 0}, {0, 0, 0}};
    must((int)syscall(SYS_capset, &header, data), "capabilities");
}

/* Forks would share a ring with their zygote. The sandbox's own filter comes on top of this one. */
static int refuse_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* Also those that glibc keeps for itself and will not touch: whoever started the server may have ignored them. */
static void plain_signals(void)
{
    const unsigned long plain[4] = {0}; /* handler SIG_DFL, flags, restorer, mask, as the kernel lays them out */
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, plain, NULL, 8);
}

static _Noreturn void become_zygote(const struct zygote *zygote, int control, int mapped)
{
    char byte;
    struct rlimit core = {1, 1}, files;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* When the whole machine runs out of memory, sandboxes go before anything of the operator's. */
    must(write_text("/proc/self/oom_score_adj", OOM_SCORE), "oom score");
    must(getrlimit(RLIMIT_NOFILE, &files), "limit files");
    if (files.rlim_max > FILES_MAX)
        files.rlim_max = FILES_MAX;
    files.rlim_cur = files.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &files), "limit files");
    zygote_root_enter();
    must(unshare(CLONE_NEWUSER), "user namespace");
    must(write(mapped, "u", 1) != 1 || read(mapped, &byte, 1) != 1, "id maps");
    must(setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0), "take the arena's ids");
    /* While it takes a block's id for a clone it must keep the right to write that clone's maps. */
    must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0), "securebits");
    keep_only_arena_capabilities();
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setrlimit(RLIMIT_CORE, &core), "no new privileges");
    must(refuse_io_uring(), "refuse io_uring");
    setsid();
    /* What is ignored stays ignored across exec: a Python in which Ctrl-C does nothing. In a session of its own no
     * terminal's reaches it. */
    plain_signals();
    int null = open("/dev/null", O_RDWR);
    must(null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0, "stdio");
    must(dup2(control, 3) < 0, "control socket");
    syscall(SYS_close_range, 4, ~0u, 0);
    execve(zygote->program, zygote->argv, environment);
    die("zygote: %s: %s", zygote->program, strerror(errno));
}

/* ---- the launcher ---- */

static int write_arena_map(pid_t pid, const char *file)
{
    char path[48], text[48];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    snprintf(text, sizeof text, "0 %u %u\n", ARENA_FIRST_ID, ARENA_IDS);
    return write_text(path, text);
}

static void lost(struct zygote *zygote)
{
    if (!zygote->pid)
        return;
    if (zygote->tag[0])
        wire_error(zygote->tag, "zygote_failed", "the launcher's log says what it printed", "the %s zygote did not start",
                   zygote->name);
    zygote->tag[0] = 0;
    loop_remove(&zygote->watch);
    close(zygote->watch.fd);
    kill(zygote->pid, SIGKILL);
    zygote->pid = 0;
    zygote->serving = false;
    sandbox_zygote_lost(zygote);
    wire_event("zygote-exit", "name=%s", zygote->name);
}

static void readable(struct watch *watch, uint32_t events)
{
    struct zygote *zygote = (struct zygote *)watch;
    struct spawn_reply reply;
    ssize_t length = recv(watch->fd, &reply, sizeof reply, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length != sizeof reply) {
        (void)events;
        lost(zygote);
        return;
    }
    reply.id[SANDBOX_ID_MAX] = 0;
    reply.step[sizeof reply.step - 1] = 0;
    if (reply.id[0]) {
        sandbox_spawned(&reply);
        return;
    }
    zygote->serving = true;
    wire_ok(zygote->tag, "pid=%d\nus=%llu", (int)zygote->pid, (unsigned long long)(now_us() - zygote->started_us));
    zygote->tag[0] = 0;
}

static void start(struct zygote *zygote)
{
    int control[2], mapped[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mapped))
        die("zygote sockets: %s", strerror(errno));
    zygote->started_us = now_us();
    zygote->pid = fork();
    if (zygote->pid < 0)
        die("fork: %s", strerror(errno));
    if (zygote->pid == 0)
        become_zygote(zygote, control[1], mapped[1]);
    close(control[1]);
    close(mapped[1]);
    if (read(mapped[0], &byte, 1) == 1 &&
        (write_arena_map(zygote->pid, "uid_map") || write_arena_map(zygote->pid, "gid_map") ||
         write(mapped[0], "m", 1) != 1))
        say("zygote %s: id maps: %s", zygote->name, strerror(errno));
    close(mapped[0]);
    zygote->watch = (struct watch){readable, control[0]};
    loop_add(&zygote->watch, EPOLLIN);
}

void zygote_start(const char *name, const char *tag)
{
    for (size_t i = 0; i < ZYGOTES; i++) {
        struct zygote *zygote = &zygotes[i];
        if (strcmp(zygote->name, name))
            continue;
        if (zygote->serving) {
            wire_ok(tag, "pid=%d\nus=0", (int)zygote->pid);
        } else if (zygote->pid) {
            wire_error(tag, "zygote_starting", "wait for the first answer", "the %s zygote is starting", name);
        } else {
            snprintf(zygote->tag, sizeof zygote->tag, "%s", tag);
            start(zygote);
        }
        return;
    }
    wire_error(tag, "zygote_unknown", "bare, python or node", "there is no zygote %s", name);
}

void zygote_stop(struct zygote *zygote)
{
    lost(zygote);
}

bool zygote_ask(struct zygote *zygote, const struct spawn_request *request, const int fds[2])
{
    union {
        char space[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec body = {(void *)(uintptr_t)request, sizeof *request};
    struct msghdr header = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    *rights = (struct cmsghdr){CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), fds, 2 * sizeof(int));
    return sendmsg(zygote->watch.fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *request;
}

bool zygote_reap(pid_t pid, int status)
{
    for (size_t i = 0; i < ZYGOTES; i++) {
        if (zygotes[i].pid != pid)
            continue;
        say("zygote %s ended: %s %d", zygotes[i].name, WIFSIGNALED(status) ? "signal" : "code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        lost(&zygotes[i]);
        return true;
    }
    return false;
}
