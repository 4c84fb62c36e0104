/* Who may do what inside: init keeps three capabilities, user code none, and nobody can get one back. */
#include "sandbox.h"
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* init changes to the user before running anything, and ends processes of the user. */
#define INIT_CAPABILITIES ((1u << CAP_SETUID) | (1u << CAP_SETGID) | (1u << CAP_KILL))
#define HIGHEST_CAPABILITY 63

static int set_capabilities(uint32_t capabilities)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{capabilities, capabilities, 0}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, data);
}

int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written < 0 ? -1 : 0;
}

/* The kernel counts these per user namespace and per creator; the creator is the block's own id, so a sandbox that uses
 * up its inotify instances takes none from a neighbour. No namespace can be nested: root of one would have every
 * capability in it, and that is most of the kernel's attack surface. */
int privilege_limit_namespace(const struct spawn_request *request)
{
    static const char *const none[] = {"user", "pid", "net", "mnt", "uts", "ipc", "cgroup", "time"};
    char path[64], limit[16];
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", none[i]);
        if (write_file(path, "0") && errno != ENOENT)
            return fail_step("limit namespaces");
    }
    snprintf(limit, sizeof limit, "%u", request->user_limits);
    if (write_file("/proc/sys/user/max_inotify_instances", limit))
        return fail_step("limit inotify");
    return 0;
}

int privilege_confine(void)
{
    for (int capability = 0; capability <= HIGHEST_CAPABILITY; capability++) {
        if (capability < 32 && (INIT_CAPABILITIES >> capability & 1))
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)) {
            if (errno == EINVAL && capability > CAP_CHECKPOINT_RESTORE)
                break;
            return fail_step("drop bounding set");
        }
    }
    struct rlimit core = {1, 1}; /* 0 would not stop a core pattern that pipes */
    if (setrlimit(RLIMIT_CORE, &core))
        return fail_step("limit core");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return fail_step("no_new_privs");
    if (set_capabilities(INIT_CAPABILITIES))
        return fail_step("capabilities");
    if (seccomp_install())
        return fail_step("seccomp");
    return 0;
}

int cloche_drop_to_user(void)
{
    if (setgroups(0, NULL) || setresgid(SANDBOX_USER, SANDBOX_USER, SANDBOX_USER) ||
        setresuid(SANDBOX_USER, SANDBOX_USER, SANDBOX_USER) || set_capabilities(0) ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
        return -errno;
    return 0;
}
