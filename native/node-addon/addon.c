/* What JavaScript cannot do for the Node zygote: fork, receive descriptors, change identity. Only the stable Node-API and
 * one call of libuv's are used, so one build serves every Node from 20 on.
 *
 * A Node that can be forked has one thread (see the zygote's flags in native/launcher/zygote.c), has no io_uring, and
 * has V8's memory taken out of MADV_DONTFORK, which V8 sets on all of it. In the child libuv must make its
 * descriptors anew. */
#include "../zygote/zygote.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <node_api.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define JOB_MAX (1u << 20)
#define STDIO 3

extern int uv_loop_fork(struct uv_loop_s *loop);

static struct uv_loop_s *loop;

/* ---- hooks around a fork ---- */

/* The flags line of an area follows its address line in smaps; `dc` says it is not given to children. */
static void give_memory_to_children(void)
{
    char line[512];
    unsigned long start = 0, end = 0;
    FILE *areas = fopen("/proc/self/smaps", "re");
    if (!areas)
        abort();
    while (fgets(line, sizeof line, areas)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            end = to;
        } else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dc") &&
                   madvise((void *)(uintptr_t)start, end - start, MADV_DOFORK) && errno != EINVAL) {
            abort();
        }
    }
    fclose(areas);
}

/* In a zygote nothing runs between forks, so its memory is given once. */
static void before_first_fork(void)
{
    static bool given;
    if (!given)
        give_memory_to_children();
    given = true;
}

static void after_fork_child(void)
{
    if (uv_loop_fork(loop))
        abort();
}

static const struct cloche_hooks zygote_hooks = {before_first_fork, NULL, after_fork_child};
static const struct cloche_hooks worker_hooks = {give_memory_to_children, NULL, after_fork_child};

/* ---- the end ---- */

/* A fork has none of the threads of V8's platform, and Node waits for them when it takes the platform down, on every way to
 * exit. So the process ends just before: JavaScript does it after the last exit listener, and when Node decides, for a
 * fatal error or in a process without JavaScript's help, it calls the exit handler that embedders may set. Node-API has
 * no such thing; these are functions that Node exports to embedders, looked up by name, and a zygote that misses one
 * does not start. */

/* A std::function<void(node::Environment *, int)> as libstdc++ lays it out, holding nothing but a plain function. */
struct exit_function {
    void *held[2];
    bool (*manage)(void *, const void *, int);
    void (*invoke)(const void *, void **environment, int *code);
};

static bool manage_nothing(void *to, const void *from, int operation)
{
    (void)to, (void)from, (void)operation;
    return false;
}

static void end_process(const void *held, void **environment, int *code)
{
    (void)held, (void)environment;
    _exit(*code);
}

static bool end_when_node_decides(void)
{
    void *(*current_isolate)(void), *(*current_context)(void *), *(*current_environment)(void *);
    void (*set_exit_handler)(void *, struct exit_function *);
    void *symbols[] = {dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv"),
                       dlsym(RTLD_DEFAULT, "_ZN2v87Isolate17GetCurrentContextEv"),
                       dlsym(RTLD_DEFAULT, "_ZN4node21GetCurrentEnvironmentEN2v85LocalINS0_7ContextEEE"),
                       dlsym(RTLD_DEFAULT, "_ZN4node21SetProcessExitHandlerEPNS_11EnvironmentEOSt8functionIFvS1_iEE")};
    for (int i = 0; i < 4; i++)
        if (!symbols[i])
            return false;
    memcpy(&current_isolate, &symbols[0], sizeof(void *));
    memcpy(&current_context, &symbols[1], sizeof(void *));
    memcpy(&current_environment, &symbols[2], sizeof(void *));
    memcpy(&set_exit_handler, &symbols[3], sizeof(void *));
    void *environment = current_environment(current_context(current_isolate()));
    struct exit_function handler = {{NULL, NULL}, manage_nothing, end_process};
    if (environment)
        set_exit_handler(environment, &handler);
    return environment != NULL;
}

/* ---- values ---- */

static napi_value number(napi_env env, int64_t value)
{
    napi_value result;
    napi_create_int64(env, value, &result);
    return result;
}

static napi_value failed(napi_env env, const char *what, int error)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %s", what, strerror(error));
    napi_throw_error(env, NULL, text);
    return NULL;
}

static int argument(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value value;
    int32_t result = -1;
    if (napi_get_cb_info(env, info, &count, &value, NULL, NULL) == napi_ok && count == 1)
        napi_get_value_int32(env, value, &result);
    return result;
}

/* ---- functions ---- */

/* serve(controlFd): returns the worker's socket, in a worker. */
static napi_value serve(napi_env env, napi_callback_info info)
{
    int worker = cloche_zygote_serve(argument(env, info), &zygote_hooks);
    return worker < 0 ? failed(env, "serve", -worker) : number(env, worker);
}

/* forkKeep(): 0 in the child, its pid in the worker. */
static napi_value fork_keep(napi_env env, napi_callback_info info)
{
    (void)info;
    pid_t pid = cloche_fork_keep(&worker_hooks);
    return pid < 0 ? failed(env, "fork", -pid) : number(env, pid);
}

static napi_value drop_to_user(napi_env env, napi_callback_info info)
{
    (void)info;
    int result = cloche_drop_to_user();
    return result ? failed(env, "drop privileges", -result) : NULL;
}

/* OpenSSL notices a fork by a changed pid only, and two sandboxes can give their processes the same one. */
static napi_value reseed(napi_env env, napi_callback_info info)
{
    (void)info;
    void *symbol = dlsym(RTLD_DEFAULT, "RAND_poll");
    int (*poll)(void);
    memcpy(&poll, &symbol, sizeof poll);
    return symbol && poll() == 1 ? NULL : failed(env, "reseed OpenSSL", ENOSYS);
}

/* say(fd, bytes) */
static napi_value say(napi_env env, napi_callback_info info)
{
    size_t count = 2;
    napi_value values[2];
    int32_t fd = -1;
    char *bytes;
    size_t length;
    napi_get_cb_info(env, info, &count, values, NULL, NULL);
    if (count != 2 || napi_get_value_int32(env, values[0], &fd) ||
        napi_get_buffer_info(env, values[1], (void **)&bytes, &length))
        return failed(env, "say", EINVAL);
    return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length ? NULL : failed(env, "say", errno);
}

static bool read_whole(int fd, char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t got = recv(fd, bytes + at, length - at, 0);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        at += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* The header of a job comes with the three descriptors it runs on. */
static bool receive_header(int fd, uint32_t header[2], int stdio[STDIO])
{
    union {
        char space[CMSG_SPACE(STDIO * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec body = {header, 2 * sizeof *header};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got;
    do
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        _exit(0); /* init has no more use for this worker */
    struct cmsghdr *rights = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!rights || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(STDIO * sizeof(int)))
        return false;
    memcpy(stdio, CMSG_DATA(rights), STDIO * sizeof(int));
    return read_whole(fd, (char *)header + got, 2 * sizeof *header - (size_t)got);
}

/* receive(fd): waits for a job; [flags, job text, stdin, stdout, stderr]. */
static napi_value receive(napi_env env, napi_callback_info info)
{
    int fd = argument(env, info), stdio[STDIO];
    uint32_t header[2];
    if (!receive_header(fd, header, stdio) || header[0] > JOB_MAX)
        return failed(env, "receive a job", EPROTO);
    char *text = malloc(header[0] + 1);
    napi_value result, job;
    if (!text || !read_whole(fd, text, header[0]))
        return failed(env, "receive a job", EPROTO);
    napi_create_array_with_length(env, 2 + STDIO, &result);
    napi_create_string_utf8(env, text, header[0], &job);
    free(text);
    napi_set_element(env, result, 0, number(env, header[1]));
    napi_set_element(env, result, 1, job);
    for (uint32_t i = 0; i < STDIO; i++)
        napi_set_element(env, result, 2 + i, number(env, stdio[i]));
    return result;
}

/* takeStdio(stdin, stdout, stderr, isTerminal): a session of its own on these three, the runtime's own closed. */
static napi_value take_stdio(napi_env env, napi_callback_info info)
{
    size_t count = STDIO + 1;
    napi_value values[STDIO + 1];
    int32_t stdio[STDIO];
    bool terminal = false;
    napi_get_cb_info(env, info, &count, values, NULL, NULL);
    if (count != STDIO + 1 || napi_get_value_bool(env, values[STDIO], &terminal))
        return failed(env, "take stdio", EINVAL);
    setsid();
    for (int i = 0; i < STDIO; i++)
        if (napi_get_value_int32(env, values[i], &stdio[i]) || dup2(stdio[i], i) < 0)
            return failed(env, "take stdio", errno);
    for (int i = 0; i < STDIO; i++)
        if (stdio[i] >= STDIO)
            close(stdio[i]);
    if (terminal && ioctl(0, TIOCSCTTY, 0))
        return failed(env, "controlling terminal", errno);
    return NULL;
}

static napi_value close_fd(napi_env env, napi_callback_info info)
{
    close(argument(env, info));
    return NULL;
}

/* exit(code): ends the process at once. */
static napi_value exit_now(napi_env env, napi_callback_info info)
{
    _exit(argument(env, info));
}

/* pipe(): [write end, read end], of which one write will not wait. */
static napi_value make_pipe(napi_env env, napi_callback_info info)
{
    (void)info;
    int ends[2];
    napi_value result;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return failed(env, "pipe", errno);
    napi_create_array_with_length(env, 2, &result);
    napi_set_element(env, result, 0, number(env, ends[1]));
    napi_set_element(env, result, 1, number(env, ends[0]));
    return result;
}

/* tell(fd): writes one byte. hear(fd): waits for one; false when the other end closed without. */
static napi_value tell(napi_env env, napi_callback_info info)
{
    return write(argument(env, info), "", 1) == 1 ? NULL : failed(env, "tell", errno);
}

static napi_value hear(napi_env env, napi_callback_info info)
{
    struct pollfd wanted = {.fd = argument(env, info), .events = POLLIN};
    char byte;
    napi_value result;
    while (poll(&wanted, 1, -1) < 0 && errno == EINTR) {
    }
    napi_get_boolean(env, read(wanted.fd, &byte, 1) == 1, &result);
    return result;
}

/* The pid and the group of signals the zygote was started with are not those of the program. */
static napi_value current_pid(napi_env env, napi_callback_info info)
{
    (void)info;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return number(env, getpid());
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback function;
    } functions[] = {
        {"serve", serve},     {"forkKeep", fork_keep},    {"dropToUser", drop_to_user}, {"reseed", reseed},
        {"receive", receive}, {"takeStdio", take_stdio}, {"closeFd", close_fd},        {"say", say},
        {"currentPid", current_pid},  {"exit", exit_now},
        {"pipe", make_pipe},         {"tell", tell},              {"hear", hear},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value function;
        napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
        napi_set_named_property(env, exports, functions[i].name, function);
    }
    napi_get_uv_event_loop(env, &loop);
    if (!end_when_node_decides())
        napi_throw_error(env, NULL, "this Node does not export what a forked one needs to end");
    return exports;
}
