#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "le.h"
#include "startup.h"
#include "text.h"

static const char home[] = "/workspace";

enum { REPORT_FD = 3 };

static _Noreturn void give_up(int error, const char *what)
{
    char text[ERROR_TEXT_MAX];
    error_text(text, error, what);
    uint8_t report[4 + ERROR_TEXT_MAX];
    le_put32(report, (uint32_t)error);
    size_t size = strlen(text);
    memcpy(report + 4, text, size);
    ssize_t written = write(REPORT_FD, report, 4 + size);
    _exit(written > 0 ? 127 : 126);
}

/* Leaves open the three standard streams and the report, nothing else. */
static void arrange_descriptors(const int stdio[3], int report)
{
    int moved[4] = {stdio[0], stdio[1], stdio[2], report};
    /* First out of the way of 0 to 3, so that no dup2 overwrites what a later one needs. */
    for (int i = 0; i < 4; i++) {
        moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, 10);
        if (moved[i] < 0)
            _exit(126);
    }
    for (int i = 0; i < 3; i++)
        dup2(moved[i], i);
    dup3(moved[3], REPORT_FD, O_CLOEXEC);
    if (syscall(SYS_close_range, REPORT_FD + 1, ~0U, 0) == 0)
        return;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = REPORT_FD + 1; fd < limit.rlim_cur; fd++)
        close((int)fd);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limits(const struct exec_request *request)
{
    /* Before anything of the request: init raised its own, the program gets what init was given. */
    setrlimit(RLIMIT_NOFILE, &startup_nofile);
    struct rlimit core = {.rlim_cur = 1, .rlim_max = 1};
    setrlimit(RLIMIT_CORE, &core);
    for (size_t i = 0; i < request->limit_count; i++) {
        struct rlimit limit = {.rlim_cur = request->limits[i].soft, .rlim_max = request->limits[i].hard};
        if (setrlimit((__rlimit_resource_t)request->limits[i].resource, &limit) < 0)
            give_up(errno, "resource limit");
    }
}

/* No way back: identities, capabilities, and anything a set-uid file could give. */
static void become_user(uint32_t uid)
{
    if (setgroups(0, NULL) < 0 && getgroups(0, NULL) != 0)
        give_up(errno, "setgroups");
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        give_up(errno, "user id");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(errno, "privileges");
    if (getuid() != uid || geteuid() != uid || getgid() != uid || getegid() != uid)
        give_up(EPERM, "user id");
}

static bool has(char *const *env, const char *name_and_sign)
{
    for (size_t size = strlen(name_and_sign); *env != NULL; env++)
        if (strncmp(*env, name_and_sign, size) == 0)
            return true;
    return false;
}

/* The request's environment, then the defaults of whatever it does not name. */
static char **environment(const struct exec_request *request)
{
    static const char *const defaults[][2] = {
        {"PATH=", "PATH=/usr/local/bin:/usr/bin:/bin"},
        {"HOME=", "HOME=/workspace"},
        {"LANG=", "LANG=C.UTF-8"},
        {"USER=", "USER=user"},
        {"TERM=", "TERM=xterm-256color"},
    };
    size_t count = sizeof defaults / sizeof *defaults - (request->flags & EXEC_PTY ? 0 : 1);
    char **env = calloc(request->env_count + count + 1, sizeof *env);
    if (env == NULL)
        give_up(ENOMEM, NULL);
    memcpy(env, request->env, request->env_count * sizeof *env);
    size_t at = request->env_count;
    for (size_t i = 0; i < count; i++)
        if (!has(request->env, defaults[i][0]))
            env[at++] = (char *)(uintptr_t)defaults[i][1];
    return env;
}

static const char *search_path(char *const *env)
{
    const char *path = "";
    for (; *env != NULL; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            path = *env + 5;
    return path;
}

/* execvp's search over the request's PATH, with execvp's rule of which error counts: "not allowed" wins over "not
 * there". */
static _Noreturn void run_program(char **args, char **env)
{
    const char *name = args[0];
    if (strchr(name, '/') != NULL || *name == 0) {
        execve(name, args, env);
        give_up(errno, name);
    }
    int cause = ENOENT;
    char path[4096];
    for (const char *at = search_path(env);;) {
        size_t size = strcspn(at, ":");
        if (size + 1 + strlen(name) < sizeof path) {
            memcpy(path, at, size);
            path[size] = '/';
            strcpy(path + size + (size > 0), name);
            execve(path, args, env);
            if (errno != ENOENT && errno != ENOTDIR)
                cause = errno;
            if (cause != ENOENT && cause != EACCES)
                give_up(cause, name);
        }
        if (at[size] == 0)
            give_up(cause, name);
        at += size + 1;
    }
}

static _Noreturn void run_child(const struct launch *launch, int report)
{
    const struct exec_request *request = launch->request;
    arrange_descriptors(launch->stdio, report);
    setsid();
    if (request->flags & EXEC_PTY && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
        give_up(errno, "controlling terminal");
    set_limits(request);
    become_user(request->uid);
    umask(022);
    const char *cwd = request->cwd != NULL ? request->cwd : home;
    if (chdir(cwd) < 0)
        give_up(errno, cwd);
    reset_signals();
    if (launch->builtin != NULL) {
        close(REPORT_FD);
        _exit(launch->builtin(request->args));
    }
    run_program(request->args, environment(request));
}

pid_t launch(const struct launch *launch, int *report)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        run_child(launch, ends[1]);
    int cause = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = cause;
        return -1;
    }
    *report = ends[0];
    return pid;
}
