/* Builds the root of a sandbox from mounts and enters it: an overlay of the immutable base and a size-limited tmpfs,
 * /proc with its dangerous files masked, a /dev of harmless nodes, the writable places of the user, and its own limits
 * under /sys/fs/cgroup, read-only. Runs in the clone, with every capability in its own user namespace and none outside.
 *
 * The zygote's root, which the clone starts in, holds the staging places: /mnt/dev (device nodes, made by the launcher),
 * /mnt/tmpfs, /mnt/base and /mnt/root (empty). */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TMPFS "/mnt/tmpfs"
#define ROOT "/mnt/root"
#define HARMLESS (MS_NOSUID | MS_NODEV)

static int attach(int mount, const char *place)
{
    return (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH);
}

static int bind(const char *from, const char *to)
{
    return mount(from, to, NULL, MS_BIND, NULL);
}

static int bind_read_only(const char *from, const char *to)
{
    if (bind(from, to))
        return -1;
    return mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HARMLESS | MS_NOEXEC, NULL);
}

static int directory(const char *path, mode_t mode)
{
    return mkdir(path, mode) || chmod(path, mode) ? -1 : 0;
}

/* One tmpfs takes everything a sandbox writes, so one size limits it. User code owns none of these directories: it
 * cannot leave attributes or modes behind on them when a sandbox is used again. */
static int writable_space(const struct spawn_request *request)
{
    static const struct {
        const char *path;
        mode_t mode;
    } places[] = {
        {TMPFS "/upper", 0755}, {TMPFS "/work", 0755},     {TMPFS "/workspace", 01777}, {TMPFS "/tmp", 01777},
        {TMPFS "/vartmp", 01777}, {TMPFS "/shm", 01777},   {TMPFS "/empty", 0555},      {TMPFS "/sys", 0755},
        {TMPFS "/sys/fs", 0755},  {TMPFS "/sys/fs/cgroup", 0755},
    };
    char options[128];
    snprintf(options, sizeof options, "mode=0755,size=%llu,nr_inodes=%llu", (unsigned long long)request->disk_bytes,
             (unsigned long long)request->inodes);
    if (mount("tmpfs", TMPFS, "tmpfs", HARMLESS, options))
        return fail_step("mount tmpfs");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (directory(places[i].path, places[i].mode))
            return fail_step("make places");
    return 0;
}

static int overlay(const struct spawn_fds *fds)
{
    if (attach(fds->base, "/mnt/base"))
        return fail_step("attach base");
    if (mount("overlay", ROOT, "overlay", HARMLESS,
              "lowerdir=/mnt/base,upperdir=" TMPFS "/upper,workdir=" TMPFS "/work,userxattr"))
        return fail_step("mount overlay");
    if (attach(fds->guest, ROOT "/opt/cloche"))
        return fail_step("attach guest");
    if (fds->environment >= 0 && attach(fds->environment, ROOT "/opt/env"))
        return fail_step("attach environment");
    return 0;
}

static int bind_places(void)
{
    static const char *const places[][2] = {
        {TMPFS "/workspace", ROOT "/workspace"}, {TMPFS "/tmp", ROOT "/tmp"},
        {TMPFS "/vartmp", ROOT "/var/tmp"},      {"/mnt/dev", ROOT "/dev"},
        {TMPFS "/shm", ROOT "/dev/shm"},         {TMPFS "/sys", ROOT "/sys"},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (bind(places[i][0], places[i][1]))
            return fail_step(places[i][1] + sizeof ROOT - 1);
    if (mount("devpts", ROOT "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"))
        return fail_step("mount devpts");
    if (mount("mqueue", ROOT "/dev/mqueue", "mqueue", HARMLESS | MS_NOEXEC, NULL))
        return fail_step("mount mqueue");
    return 0;
}

/* Files of the kernel's own that say too much, and trees in which a write would reach past the sandbox. */
static int proc(void)
{
    static const char *const hidden_files[] = {"kcore", "keys", "key-users", "timer_list", "sysrq-trigger", "kallsyms",
                                               "sched_debug", "latency_stats", "kpagecount", "kpageflags", "kpagecgroup",
                                               "config.gz"};
    static const char *const hidden_directories[] = {"acpi", "scsi", "asound"};
    static const char *const read_only[] = {"sys", "bus", "fs", "irq"};
    char path[64];
    if (mount("proc", ROOT "/proc", "proc", HARMLESS | MS_NOEXEC, NULL))
        return fail_step("mount proc");
    for (size_t i = 0; i < sizeof hidden_files / sizeof *hidden_files; i++) {
        snprintf(path, sizeof path, ROOT "/proc/%s", hidden_files[i]);
        if (bind("/mnt/dev/null", path) && errno != ENOENT)
            return fail_step("mask proc");
    }
    for (size_t i = 0; i < sizeof hidden_directories / sizeof *hidden_directories; i++) {
        snprintf(path, sizeof path, ROOT "/proc/%s", hidden_directories[i]);
        if (bind(TMPFS "/empty", path) && errno != ENOENT)
            return fail_step("mask proc");
    }
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
        snprintf(path, sizeof path, ROOT "/proc/%s", read_only[i]);
        if (bind_read_only(path, path) && errno != ENOENT)
            return fail_step("proc read-only");
    }
    return 0;
}

/* Its own limits, where runtimes look for them to size themselves. */
static int limits(const struct spawn_request *request)
{
    unsigned long flags = HARMLESS | MS_NOEXEC | MS_RDONLY;
    char path[64];
    if (request->v2_controllers && mount("cgroup2", ROOT "/sys/fs/cgroup", "cgroup2", flags, NULL))
        return fail_step("mount cgroup2");
    for (size_t i = 0; i < SPAWN_V1_CONTROLLERS; i++) {
        if (!(request->v1_controllers >> i & 1))
            continue;
        snprintf(path, sizeof path, ROOT "/sys/fs/cgroup/%s", spawn_v1_controllers[i]);
        if (mkdir(path, 0755) || mount("cgroup", path, "cgroup", flags, spawn_v1_controllers[i]))
            return fail_step("mount cgroup");
    }
    if (mount(NULL, ROOT "/sys", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | HARMLESS | MS_NOEXEC, NULL))
        return fail_step("sys read-only");
    return 0;
}

static int pivot(void)
{
    if (chdir(ROOT))
        return fail_step("enter root");
    if (syscall(SYS_pivot_root, ".", "."))
        return fail_step("pivot_root");
    if (umount2(".", MNT_DETACH))
        return fail_step("leave old root");
    if (chdir("/workspace"))
        return fail_step("enter workspace");
    return 0;
}

int root_enter(const struct spawn_request *request, const struct spawn_fds *fds)
{
    if (writable_space(request) || overlay(fds) || bind_places() || proc() || limits(request) || pivot())
        return -1;
    return 0;
}
