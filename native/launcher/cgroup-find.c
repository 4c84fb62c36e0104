/* Finds the hierarchies of this host, takes a parent group in each, and empties what a crashed launcher left there. Where
 * v2 has the memory controller it carries everything; otherwise v1 hierarchies limit and count, and a bare v2 tree, if
 * mounted, still freezes and kills.
 *
 * All sandboxes sit in one parent group, whose own limits keep the machine alive whatever they do together. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KILL_ROUNDS 200

struct hierarchies hierarchies = {.v1 = {-1, -1, -1, -1, -1, -1}, .v2 = -1};
static const char *const v1_names[HIERARCHIES] = {"memory", "cpu", "cpuacct", "pids", "blkio", "freezer"};

static struct {
    char path[PATH_BYTES + 80];
} parents[HIERARCHIES + 1];
static int parent_count;

static int open_parent(const char *mount_point)
{
    char *path = parents[parent_count].path;
    snprintf(path, sizeof parents->path, "%s/%s", mount_point, options.cgroup);
    if (mkdir(path, 0755) && errno != EEXIST)
        die("launcher: cannot make the control group %s: %s", path, strerror(errno));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        die("launcher: %s: %s", path, strerror(errno));
    parent_count++;
    return fd;
}

void cgroup_close(void)
{
    for (int i = 0; i < parent_count; i++)
        rmdir(parents[i].path); /* fails, rightly, when something is left in it */
}

static bool has_word(const char *list, const char *word, char separator)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == separator) && (at[length] == separator || !at[length] || at[length] == '\n'))
            return true;
    return false;
}

static bool v2_has_controllers(const char *mount_point)
{
    char text[256];
    int folder = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has = folder >= 0 && get(folder, "cgroup.controllers", text, sizeof text) && has_word(text, "memory", ' ');
    if (has && put(folder, "cgroup.subtree_control", "+memory +cpu +pids") && errno != EBUSY)
        die("launcher: cannot delegate cgroup v2 controllers: %s", strerror(errno));
    if (has)
        (void)put(folder, "cgroup.subtree_control", "+io");
    if (folder >= 0)
        close(folder);
    return has;
}

/* One line of mountinfo: id parent dev root MOUNT options… - TYPE source SUPER */
static void consider_mount(char *line)
{
    char mount_point[PATH_BYTES], root[PATH_BYTES], type[32], super[256];
    char *dash = strstr(line, " - ");
    if (!dash || sscanf(line, "%*s %*s %*s %255s %255s", root, mount_point) != 2 ||
        sscanf(dash + 3, "%31s %*s %255s", type, super) != 2)
        return;
    if (!strcmp(type, "cgroup2") && hierarchies.v2 < 0) {
        hierarchies.v2_limits = v2_has_controllers(mount_point);
        hierarchies.v2 = open_parent(mount_point);
        if (hierarchies.v2_limits) {
            (void)put(hierarchies.v2, "cgroup.subtree_control", "+memory +cpu +pids");
            (void)put(hierarchies.v2, "cgroup.subtree_control", "+io");
        }
    }
    if (strcmp(type, "cgroup"))
        return;
    for (int i = 0; i < HIERARCHIES; i++)
        if (hierarchies.v1[i] < 0 && has_word(super, v1_names[i], ','))
            hierarchies.v1[i] = open_parent(mount_point);
}

/* Half of all processes, and memory but for a reserve, are the most that all sandboxes together may have. */
static void limit_parent(void)
{
    uint64_t pids = get_number(AT_FDCWD, "/proc/sys/kernel/pid_max") / 2;
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t memory = total > 2 * options.memory_reserve ? total - options.memory_reserve : total / 2;
    int result = hierarchies.v2_limits ? put_number(hierarchies.v2, "pids.max", pids) | put_number(hierarchies.v2, "memory.max", memory)
                           : put_number(hierarchies.v1[PIDS], "pids.max", pids) |
                                 put_number(hierarchies.v1[MEMORY], "memory.limit_in_bytes", memory);
    if (result)
        die("launcher: cannot limit the parent control group: %s", strerror(errno));
}

/* Moving a process between groups waits for an RCU grace period, 10 ms and more, unless some hierarchy is mounted with
 * favordynmods: the kernel then keeps the lock on its fast path for all of them. This one has a name of our own, no
 * controller, is mounted nowhere and goes with the launcher. Older kernels lack the option and are only slower. */
static void favour_moves(void)
{
    int context = (int)syscall(SYS_fsopen, "cgroup", FSOPEN_CLOEXEC);
    bool failed = context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "none", NULL, 0) ||
                  syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "name", options.cgroup, 0) ||
                  syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "favordynmods", NULL, 0) ||
                  syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ||
                  syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0) < 0;
    if (failed)
        say("launcher: moves between control groups stay slow: %s", strerror(errno));
    if (context >= 0)
        close(context);
}

static void kill_members(int folder)
{
    char text[16384];
    if (!put(folder, "cgroup.kill", "1") || !get(folder, "cgroup.procs", text, sizeof text))
        return;
    for (char *at = text; *at;) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
        at = end + (*end == '\n');
    }
}

static int clear_parent(int parent)
{
    int left = 0, copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' || entry->d_type != DT_DIR || !unlinkat(parent, entry->d_name, AT_REMOVEDIR))
            continue;
        left++;
        int group = open_folder(parent, entry->d_name);
        kill_members(group);
        close(group);
    }
    closedir(folder);
    return left;
}

void cgroup_kill_leftovers(void)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int left = hierarchies.v2 >= 0 ? clear_parent(hierarchies.v2) : 0;
        for (int i = 0; i < HIERARCHIES; i++)
            left += hierarchies.v1[i] >= 0 ? clear_parent(hierarchies.v1[i]) : 0;
        if (!left)
            return;
        usleep(10000);
    }
    die("launcher: groups of an earlier run in %s cannot be emptied", options.cgroup);
}

void cgroup_open(const char *mount_table)
{
    favour_moves();
    char line[1024];
    FILE *mounts = fopen(mount_table, "re");
    if (!mounts)
        die("launcher: %s: %s", mount_table, strerror(errno));
    while (fgets(line, sizeof line, mounts))
        consider_mount(line);
    fclose(mounts);
    if (!hierarchies.v2_limits && (hierarchies.v1[MEMORY] < 0 || hierarchies.v1[CPU] < 0 || hierarchies.v1[CPUACCT] < 0 || hierarchies.v1[PIDS] < 0))
        die("launcher: neither cgroup v2 nor v1 has the memory, cpu, cpuacct and pids controllers mounted");
    snprintf(hierarchies.kind, sizeof hierarchies.kind, "%s", hierarchies.v2_limits ? "v2" : hierarchies.v2 >= 0 ? "hybrid" : "v1");
    cgroup_kill_leftovers();
    limit_parent();
}
