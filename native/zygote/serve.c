/* The zygote's loop, and the clone it makes.
 *
 * A clone shares the zygote's memory for the millisecond in which it builds its sandbox, on a stack of its own, while
 * the zygote waits. So it costs no page tables; only the worker (where the zygote is a language runtime) is a real
 * fork. The clone then execs the static init. The zygote is never PID 1 of anything. */
#include "zygote.h"
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES (256 * 1024)
#define WORKER_PID_TEXT 32
#define NAMESPACES                                                                                                    \
    (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS)
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Where init expects its descriptors. */
enum { INIT_LISTEN = 3, INIT_SYNC = 4, INIT_WORKER = 5, INIT_EGRESS = 6 };

/* The zygote waits on this pipe, which closes in the clone when it execs or dies; it is how the stack becomes free. */
struct birth {
    const struct spawn_request *request;
    const struct cloche_hooks *hooks;
    int listener;
    int sync;
    int alive;
    bool has_worker;
};

static char *clone_stack;
static void *worker_frame[5]; /* for __builtin_longjmp: the zygote's own stack, of which a fork has a copy */
static int worker_socket;
const char *sandbox_failed_step;

int fail_step(const char *step)
{
    sandbox_failed_step = step;
    return -1;
}

static void call(void (*hook)(void))
{
    if (hook)
        hook();
}

/* ---- messages ---- */

/* Receives one packet of exactly `size` bytes and up to `fd_max` descriptors. Returns the number of descriptors, or -1. */
static int receive(int socket, void *message, size_t size, int *fds, int fd_max)
{
    union {
        char space[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec body = {message, size};
    struct msghdr header = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length;
    do
        length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length != (ssize_t)size || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return -1;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    if (!rights || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS)
        return 0;
    int count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (count > fd_max)
        return -1;
    memcpy(fds, CMSG_DATA(rights), (size_t)count * sizeof(int));
    return count;
}

static void tell_launcher(int sync, uint8_t kind, int error, const char *step)
{
    struct sync_message message = {.kind = kind, .error = error};
    if (step)
        snprintf(message.step, sizeof message.step, "%s", step);
    (void)!send(sync, &message, sizeof message, MSG_NOSIGNAL);
}

/* ---- in the clone ---- */

static _Noreturn void give_up(int sync, const char *step)
{
    tell_launcher(sync, SYNC_FAILED, errno, step);
    _exit(127);
}

static int become_root_inside(void)
{
    return setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0) ? fail_step("become root inside") : 0;
}

static int own_namespaces(const struct spawn_request *request)
{
    int flags = CLONE_NEWCGROUP | (request->flags & SPAWN_TIME_NS ? CLONE_NEWTIME : 0);
    if (unshare(flags))
        return fail_step("unshare");
    if (sethostname("sandbox", 7))
        return fail_step("hostname");
    return 0;
}

static void receive_go(int sync, struct spawn_fds *fds)
{
    struct spawn_go go;
    int received[4], expected;
    int count = receive(sync, &go, sizeof go, received, 4);
    expected = 2 + !!(go.flags & GO_ENVIRONMENT) + !!(go.flags & GO_EGRESS);
    if (count < 2 || count != expected)
        _exit(126); /* the launcher went away */
    fds->base = received[0];
    fds->guest = received[1];
    fds->environment = go.flags & GO_ENVIRONMENT ? received[2] : -1;
    fds->egress = go.flags & GO_EGRESS ? received[count - 1] : -1;
}

static int open_null(void)
{
    int null = open("/dev/null", O_RDWR);
    return null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || (null > 2 && close(null))
               ? fail_step("open /dev/null")
               : 0;
}

/* Never returns in the worker: it goes on where cloche_zygote_serve set its frame. */
static pid_t fork_worker(const struct birth *birth, const struct spawn_fds *fds, int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        give_up(birth->sync, "worker socket");
    pid_t worker = fork();
    if (worker < 0)
        give_up(birth->sync, "fork worker");
    if (worker > 0) {
        close(pair[1]);
        return worker;
    }
    close(pair[0]);
    close(birth->listener);
    close(birth->sync);
    close(birth->alive);
    if (fds->egress >= 0)
        close(fds->egress);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || open_null())
        _exit(127);
    worker_socket = pair[1];
    __builtin_longjmp(worker_frame, 1);
}

static void place(int *fd, int at)
{
    if (*fd == at)
        fcntl(at, F_SETFD, 0);
    else if (dup2(*fd, at) < 0)
        _exit(125);
    *fd = at;
}

static _Noreturn void exec_init(struct birth *birth, struct spawn_fds *fds, int worker_fd, pid_t worker)
{
    char worker_text[WORKER_PID_TEXT] = "", egress_text[] = "egress=6";
    int sources[4] = {birth->listener, birth->sync, worker_fd, fds->egress};
    for (int i = 0; i < 4; i++) /* out of the way first, so that no dup2 lands on one still needed */
        if (sources[i] >= 0)
            sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, 16);
    fcntl(birth->alive, F_DUPFD_CLOEXEC, 32); /* a copy out of the way of dup2: only exec may close the last one */
    place(&sources[0], INIT_LISTEN);
    place(&sources[1], INIT_SYNC);
    if (worker_fd >= 0) {
        place(&sources[2], INIT_WORKER);
        snprintf(worker_text, sizeof worker_text, "worker=%d:%d", INIT_WORKER, (int)worker);
    } else {
        close(INIT_WORKER);
    }
    if (fds->egress >= 0)
        place(&sources[3], INIT_EGRESS);
    else
        close(INIT_EGRESS);
    syscall(SYS_close_range, INIT_EGRESS + 1, ~0u, 1u << 2 /* CLOEXEC */);
    char *arguments[6] = {"init", "listen=3", "sync=4", NULL, NULL, NULL};
    int count = 3;
    if (worker_fd >= 0)
        arguments[count++] = worker_text;
    if (fds->egress >= 0)
        arguments[count++] = egress_text;
    char *environment[] = {NULL};
    execve("/opt/cloche/init", arguments, environment);
    give_up(INIT_SYNC, "exec init");
}

static int clone_main(void *argument)
{
    struct birth *birth = argument;
    struct spawn_fds fds;
    int pair[2] = {-1, -1};
    pid_t worker = 0;
    receive_go(birth->sync, &fds);
    if (become_root_inside() || own_namespaces(birth->request) ||
        privilege_limit_namespace(birth->request) || root_enter(birth->request, &fds))
        give_up(birth->sync, sandbox_failed_step);
    close(fds.base);
    close(fds.guest);
    if (fds.environment >= 0)
        close(fds.environment);
    tell_launcher(birth->sync, SYNC_MOUNTED, 0, NULL);
    if (open_null() || privilege_confine())
        give_up(birth->sync, sandbox_failed_step);
    if (birth->has_worker)
        worker = fork_worker(birth, &fds, pair);
    exec_init(birth, &fds, pair[0], worker);
}

/* ---- in the zygote ---- */

static int write_map(pid_t pid, const char *file, uint32_t first)
{
    char path[48], text[48];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    snprintf(text, sizeof text, "0 %u %u\n", first, BLOCK_IDS);
    return write_file(path, text);
}

/* Ids here are the arena's: block n begins at n * BLOCK_IDS. The clone is made under the block's own first id, because
 * the kernel charges a user namespace, and what is counted in it, to the id that made it. */
static pid_t clone_under(uint32_t id, struct birth *birth)
{
    if (setresgid((gid_t)-1, id, (gid_t)-1) || setresuid((uid_t)-1, id, (uid_t)-1))
        return fail_step("take block id");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    pid_t pid = clone(clone_main, clone_stack + STACK_BYTES, CLONE_VM | CLONE_PARENT | NAMESPACES | SIGCHLD, birth);
    if (pid < 0)
        fail_step("clone");
    else if (write_map(pid, "uid_map", id) || write_map(pid, "gid_map", id))
        pid = fail_step("write id maps");
    int error = errno;
    if (setresuid((uid_t)-1, 0, (uid_t)-1) || setresgid((gid_t)-1, 0, (gid_t)-1))
        _exit(124);
    errno = error;
    return pid;
}

static void wait_for_hangup(int pipe)
{
    char byte;
    while (read(pipe, &byte, 1) < 0 && errno == EINTR) {
    }
    close(pipe);
}

static void reply(int control, const struct spawn_request *request, pid_t pid)
{
    struct spawn_reply answer = {.pid = pid < 0 ? 0 : pid, .error = pid < 0 ? errno : 0};
    if (request)
        memcpy(answer.id, request->id, sizeof answer.id);
    if (pid < 0)
        snprintf(answer.step, sizeof answer.step, "%s", sandbox_failed_step);
    if (send(control, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
        _exit(0);
}

static void make_next_network(void)
{
    if (network_make()) {
        fprintf(stderr, "zygote: %s: %s\n", sandbox_failed_step, strerror(errno));
        _exit(120);
    }
}

static void spawn(int control, const struct spawn_request *request, int fds[2], const struct cloche_hooks *hooks)
{
    int alive[2];
    if (pipe2(alive, O_CLOEXEC))
        _exit(123);
    struct birth birth = {request, hooks, fds[0], fds[1], alive[1], hooks != NULL};
    if (hooks)
        call(hooks->before_fork);
    pid_t pid = request->flags & SPAWN_EGRESS ? network_route() : 0;
    if (pid == 0)
        pid = clone_under(request->block * BLOCK_IDS, &birth);
    close(alive[1]);
    close(fds[0]);
    close(fds[1]);
    reply(control, request, pid);
    wait_for_hangup(alive[0]);
    if (hooks)
        call(hooks->after_fork_parent);
    make_next_network();
}

static void prepare(void)
{
    clone_stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (clone_stack == MAP_FAILED)
        _exit(122);
    seccomp_prepare();
    make_next_network();
}

int cloche_zygote_serve(int control_fd, const struct cloche_hooks *hooks)
{
    static struct spawn_request request;
    static const struct cloche_hooks *fork_hooks;
    static int control;
    control = control_fd;
    fork_hooks = hooks;
    prepare();
    if (__builtin_setjmp(worker_frame)) {
        close(control);
        munmap(clone_stack, STACK_BYTES);
        call(fork_hooks->after_fork_child);
        return worker_socket;
    }
    reply(control, NULL, 0);
    for (;;) {
        int fds[2];
        int count = receive(control, &request, sizeof request, fds, 2);
        if (count < 0)
            _exit(0); /* the launcher is gone, and with it the reason to be */
        if (count != 2)
            _exit(121);
        spawn(control, &request, fds, fork_hooks);
    }
}

/* ---- a worker that stays ---- */

struct adoption {
    volatile pid_t child;
    volatile int error;
};

/* Shares the worker's memory and is its child for as long as one fork takes; its own child is then an orphan, which
 * goes to PID 1. glibc's fork is used, not a bare clone, for the handlers that libuv and OpenSSL register with it. */
static int adopt(void *argument)
{
    struct adoption *adoption = argument;
    pid_t pid = fork();
    if (pid == 0)
        __builtin_longjmp(worker_frame, 1);
    adoption->child = pid;
    adoption->error = pid < 0 ? errno : 0;
    _exit(0);
}

pid_t cloche_fork_keep(const struct cloche_hooks *hooks)
{
    static struct adoption adoption;
    static const struct cloche_hooks *fork_hooks;
    fork_hooks = hooks;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    if (fork_hooks)
        call(fork_hooks->before_fork);
    if (__builtin_setjmp(worker_frame)) {
        if (fork_hooks)
            call(fork_hooks->after_fork_child);
        return 0;
    }
    adoption = (struct adoption){0, 0};
    pid_t helper = clone(adopt, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK, &adoption);
    if (helper < 0)
        adoption.error = errno;
    else
        while (waitpid(helper, NULL, __WALL) < 0 && errno == EINTR) {
        }
    if (fork_hooks)
        call(fork_hooks->after_fork_parent);
    munmap(stack, STACK_BYTES);
    return adoption.error ? -adoption.error : adoption.child;
}
