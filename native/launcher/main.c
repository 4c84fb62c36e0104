#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void hello(const char *tag)
{
    struct utsname system;
    const char *no_egress = egress_unavailable();
    uname(&system);
    wire_ok(tag, "version=1\ncgroup=%s\nkernel=%s\negress=%s", cgroup_kind(), system.release,
            no_egress ? no_egress : "yes");
}

static void stop_zygote(const struct request *request)
{
    const char *name = request_text(request, "name");
    struct zygote *zygote = name && zygote_known(name) ? zygote_find(name) : NULL;
    if (zygote)
        zygote_stop(zygote);
    wire_ok(request->tag, "running=no");
}

static void handle(const struct request *request)
{
    const char *verb = request->verb;
    if (!strcmp(verb, "create"))
        sandbox_create(request);
    else if (!strcmp(verb, "kill"))
        sandbox_kill(request);
    else if (!strcmp(verb, "stat"))
        sandbox_stat(request);
    else if (!strcmp(verb, "limit"))
        sandbox_limit(request);
    else if (!strcmp(verb, "freeze") || !strcmp(verb, "thaw"))
        sandbox_freeze(request, verb[0] == 'f');
    else if (!strcmp(verb, "zygote"))
        zygote_start(request_text(request, "name") ? request_text(request, "name") : "", request->tag);
    else if (!strcmp(verb, "zygote-stop"))
        stop_zygote(request);
    else if (!strcmp(verb, "list"))
        sandbox_list(request->tag);
    else if (!strcmp(verb, "hello"))
        hello(request->tag);
    else
        wire_error(request->tag, "verb_unknown", "server and launcher are of different builds", "no verb %.32s", verb);
}

static void child_ended(struct watch *watch, uint32_t events)
{
    struct signalfd_siginfo ignored;
    int status;
    (void)events;
    (void)!read(watch->fd, &ignored, sizeof ignored);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;)
        if (!sandbox_reap(pid, status))
            zygote_reap(pid, status);
}

static void watch_children(void)
{
    static struct watch watch = {.ready = child_ended};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    watch.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (watch.fd < 0)
        die("launcher: signalfd: %s", strerror(errno));
    loop_add(&watch, EPOLLIN);
}

/* Two launchers on one folder would end each other's sandboxes. */
static void own_run_folder(void)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/launcher.lock", options.run);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB))
        die("launcher: %s is in use by another (%s)", options.run, strerror(errno));
    DIR *folder = opendir(options.run);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length > 5 && !strcmp(entry->d_name + length - 5, ".sock"))
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit = {1048576, 1048576};
    if (setrlimit(RLIMIT_NOFILE, &limit) && !getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    options_parse(argc, argv);
    if (geteuid() != 0)
        die("launcher: needs root to make sandboxes; start the server as root or with sudo");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* the server decides when it ends: a terminal's Ctrl-C reaches both */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    fcntl(SERVER_FD, F_SETFD, FD_CLOEXEC);
    raise_descriptor_limit();
    mounts_private();
    own_run_folder();
    cgroup_open("/proc/self/mountinfo");
    watch_children();
    wire_open(handle);
    loop_run();
}
