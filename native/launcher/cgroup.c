/* Limits and counters, on hosts with cgroup v1, v2 or both. Where v2 has the memory controller it carries everything;
 * otherwise v1 hierarchies limit and count, and a bare v2 tree, if mounted, still freezes and kills.
 *
 * All sandboxes sit in one parent group, whose own limits keep the machine alive whatever they do together. */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPU_PERIOD_US UINT64_C(100000)
#define V1_UNLIMITED "-1"
#define KILL_ROUNDS 200

enum { MEMORY, CPU, CPUACCT, PIDS, BLKIO, FREEZER, HIERARCHIES };
static const char *const v1_names[HIERARCHIES] = {"memory", "cpu", "cpuacct", "pids", "blkio", "freezer"};

static int v1[HIERARCHIES] = {-1, -1, -1, -1, -1, -1}; /* folders of the parent group, opened once */
static int v2 = -1;
static bool v2_limits;
static char kind[8];

/* ---- small files ---- */

static int put(int folder, const char *file, const char *text)
{
    int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return written < 0 ? -1 : 0;
}

static int put_number(int folder, const char *file, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return put(folder, file, text);
}

static bool get(int folder, const char *file, char *text, size_t size)
{
    int fd = openat(folder, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, size - 1);
    close(fd);
    if (length < 0)
        return false;
    text[length] = 0;
    return true;
}

static uint64_t get_number(int folder, const char *file)
{
    char text[64];
    return get(folder, file, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

/* The number after `key ` at the start of a line, 0 when there is none. */
static uint64_t get_keyed(int folder, const char *file, const char *key)
{
    char text[4096];
    size_t length = strlen(key);
    if (!get(folder, file, text, sizeof text))
        return 0;
    for (char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, length) && line[length] == ' ')
            return strtoull(line + length, NULL, 10);
    }
    return 0;
}

static int sub(int parent, const char *id)
{
    return openat(parent, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- finding the hierarchies ---- */

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
    if (!strcmp(type, "cgroup2") && v2 < 0) {
        v2_limits = v2_has_controllers(mount_point);
        v2 = open_parent(mount_point);
        if (v2_limits) {
            (void)put(v2, "cgroup.subtree_control", "+memory +cpu +pids");
            (void)put(v2, "cgroup.subtree_control", "+io");
        }
    }
    if (strcmp(type, "cgroup"))
        return;
    for (int i = 0; i < HIERARCHIES; i++)
        if (v1[i] < 0 && has_word(super, v1_names[i], ','))
            v1[i] = open_parent(mount_point);
}

/* Half of all processes, and memory but for a reserve, are the most that all sandboxes together may have. */
static void limit_parent(void)
{
    uint64_t pids = get_number(AT_FDCWD, "/proc/sys/kernel/pid_max") / 2;
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t memory = total > 2 * options.memory_reserve ? total - options.memory_reserve : total / 2;
    int result = v2_limits ? put_number(v2, "pids.max", pids) | put_number(v2, "memory.max", memory)
                           : put_number(v1[PIDS], "pids.max", pids) |
                                 put_number(v1[MEMORY], "memory.limit_in_bytes", memory);
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
    if (!v2_limits && (v1[MEMORY] < 0 || v1[CPU] < 0 || v1[CPUACCT] < 0 || v1[PIDS] < 0))
        die("launcher: neither cgroup v2 nor v1 has the memory, cpu, cpuacct and pids controllers mounted");
    snprintf(kind, sizeof kind, "%s", v2_limits ? "v2" : v2 >= 0 ? "hybrid" : "v1");
    cgroup_kill_leftovers();
    limit_parent();
}

const char *cgroup_kind(void)
{
    return kind;
}

bool cgroup_v2_limits(void)
{
    return v2_limits;
}

/* Bits in the order of spawn_v1_controllers. Controllers mounted together appear in each of their folders. */
uint32_t cgroup_v1_mask(void)
{
    return v2_limits ? 0 : 1u << MEMORY | 1u << CPU | 1u << CPUACCT | 1u << PIDS;
}

/* ---- one sandbox ---- */

static int limit_block_io(const struct limits *limits, int folder, bool is_v2)
{
    struct stat status;
    char text[128];
    if (!(limits->read_bps | limits->write_bps | limits->read_iops | limits->write_iops))
        return 0;
    if (stat(options.layers, &status))
        return -1;
    unsigned major = (unsigned)(status.st_dev >> 8 & 0xfff), minor = 0; /* limits are set on whole disks */
    const struct {
        const char *v1_file, *v2_key;
        uint64_t value;
    } each[] = {{"blkio.throttle.read_bps_device", "rbps", limits->read_bps},
                {"blkio.throttle.write_bps_device", "wbps", limits->write_bps},
                {"blkio.throttle.read_iops_device", "riops", limits->read_iops},
                {"blkio.throttle.write_iops_device", "wiops", limits->write_iops}};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        if (!each[i].value)
            continue;
        snprintf(text, sizeof text, is_v2 ? "%u:%u %s=%" PRIu64 : "%u:%u %.0s%" PRIu64, major, minor, each[i].v2_key,
                 each[i].value);
        if (put(folder, is_v2 ? "io.max" : each[i].v1_file, text))
            return -1;
    }
    return 0;
}

static int limit_v2(int folder, const struct limits *limits)
{
    char cpu[64] = "max";
    if (limits->cpu_millis)
        snprintf(cpu, sizeof cpu, "%" PRIu64 " %" PRIu64, limits->cpu_millis * CPU_PERIOD_US / 1000, CPU_PERIOD_US);
    if (put_number(folder, "memory.max", limits->memory) || put_number(folder, "pids.max", limits->pids) ||
        put(folder, "cpu.max", cpu))
        return -1;
    (void)put(folder, "memory.swap.max", "0"); /* absent where swap accounting is off */
    return limit_block_io(limits, folder, true);
}

/* The limit of memory with swap may never be below that of memory, so growing sets it first and shrinking last. */
static int limit_v1_memory(int folder, uint64_t bytes)
{
    (void)put_number(folder, "memory.swappiness", 0);
    if (!put_number(folder, "memory.limit_in_bytes", bytes))
        return (void)put_number(folder, "memory.memsw.limit_in_bytes", bytes), 0;
    if (errno != EINVAL || put_number(folder, "memory.memsw.limit_in_bytes", bytes))
        return -1;
    return put_number(folder, "memory.limit_in_bytes", bytes);
}

static int limit_v1(const char *id, const struct limits *limits)
{
    int memory = sub(v1[MEMORY], id), cpu = sub(v1[CPU], id), pids = sub(v1[PIDS], id);
    int result = memory < 0 || cpu < 0 || pids < 0 ? -1 : 0;
    result = result || limit_v1_memory(memory, limits->memory) ||
             put_number(pids, "pids.max", limits->pids);
    if (!result && limits->cpu_millis)
        result = put_number(cpu, "cpu.cfs_quota_us", limits->cpu_millis * CPU_PERIOD_US / 1000);
    else if (!result)
        result = put(cpu, "cpu.cfs_quota_us", V1_UNLIMITED);
    int error = errno;
    close(memory);
    close(cpu);
    close(pids);
    if (!result && (limits->read_bps | limits->write_bps | limits->read_iops | limits->write_iops)) {
        if (v1[BLKIO] < 0 || (mkdirat(v1[BLKIO], id, 0755) && errno != EEXIST))
            return -1;
        int folder = sub(v1[BLKIO], id);
        result = limit_block_io(limits, folder, false);
        error = errno;
        close(folder);
    }
    errno = error;
    return result ? -1 : 0;
}

int cgroup_limit(const char *id, const struct limits *limits)
{
    if (!v2_limits)
        return limit_v1(id, limits);
    int folder = sub(v2, id);
    int result = folder < 0 ? -1 : limit_v2(folder, limits);
    int error = errno;
    close(folder);
    errno = error;
    return result;
}

int cgroup_create(const char *id, const struct limits *limits)
{
    if (v2 >= 0 && mkdirat(v2, id, 0755) && errno != EEXIST)
        return -1;
    if (!v2_limits)
        for (int i = MEMORY; i <= PIDS; i++)
            if (mkdirat(v1[i], id, 0755) && errno != EEXIST)
                return -1;
    return cgroup_limit(id, limits);
}

static int join(int parent, const char *id, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "%s/cgroup.procs", id);
    return put_number(parent, path, (uint64_t)pid);
}

int cgroup_join(const char *id, pid_t pid)
{
    if (v2 >= 0 && join(v2, id, pid))
        return -1;
    if (v2_limits)
        return 0;
    for (int i = MEMORY; i <= BLKIO; i++)
        if (v1[i] >= 0 && join(v1[i], id, pid) && !(i == BLKIO && errno == ENOENT))
            return -1;
    return 0;
}

static void read_v1(const char *id, struct counters *counters)
{
    char path[96];
    snprintf(path, sizeof path, "%s/cpuacct.usage", id);
    counters->cpu_us = get_number(v1[CPUACCT], path) / 1000;
    snprintf(path, sizeof path, "%s/memory.usage_in_bytes", id);
    counters->memory = get_number(v1[MEMORY], path);
    snprintf(path, sizeof path, "%s/memory.max_usage_in_bytes", id);
    counters->peak = get_number(v1[MEMORY], path);
    snprintf(path, sizeof path, "%s/memory.oom_control", id);
    counters->oom_kills = get_keyed(v1[MEMORY], path, "oom_kill");
    snprintf(path, sizeof path, "%s/pids.current", id);
    counters->pids = get_number(v1[PIDS], path);
}

static void read_v2(const char *id, struct counters *counters)
{
    char path[96];
    snprintf(path, sizeof path, "%s/cpu.stat", id);
    counters->cpu_us = get_keyed(v2, path, "usage_usec");
    snprintf(path, sizeof path, "%s/memory.current", id);
    counters->memory = get_number(v2, path);
    snprintf(path, sizeof path, "%s/memory.peak", id);
    counters->peak = get_number(v2, path);
    snprintf(path, sizeof path, "%s/memory.events", id);
    counters->oom_kills = get_keyed(v2, path, "oom_kill");
    snprintf(path, sizeof path, "%s/pids.current", id);
    counters->pids = get_number(v2, path);
}

void cgroup_read(const char *id, struct counters *counters)
{
    *counters = (struct counters){0};
    if (v2_limits)
        read_v2(id, counters);
    else
        read_v1(id, counters);
}

void cgroup_reset_peak(const char *id)
{
    char path[96];
    snprintf(path, sizeof path, v2_limits ? "%s/memory.peak" : "%s/memory.max_usage_in_bytes", id);
    (void)put_number(v2_limits ? v2 : v1[MEMORY], path, 0);
}

int cgroup_freeze(const char *id, bool frozen)
{
    char path[96];
    if (v2 >= 0) {
        snprintf(path, sizeof path, "%s/cgroup.freeze", id);
        return put_number(v2, path, frozen);
    }
    if (v1[FREEZER] < 0) {
        errno = ENOTSUP;
        return -1;
    }
    snprintf(path, sizeof path, "%s/freezer.state", id);
    return put(v1[FREEZER], path, frozen ? "FROZEN" : "THAWED");
}

void cgroup_remove(const char *id)
{
    if (v2 >= 0)
        unlinkat(v2, id, AT_REMOVEDIR);
    for (int i = 0; i < HIERARCHIES && !v2_limits; i++)
        if (v1[i] >= 0)
            unlinkat(v1[i], id, AT_REMOVEDIR);
}

/* ---- what a crashed launcher left ---- */

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
        int group = sub(parent, entry->d_name);
        kill_members(group);
        close(group);
    }
    closedir(folder);
    return left;
}

void cgroup_kill_leftovers(void)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int left = v2 >= 0 ? clear_parent(v2) : 0;
        for (int i = 0; i < HIERARCHIES; i++)
            left += v1[i] >= 0 ? clear_parent(v1[i]) : 0;
        if (!left)
            return;
        usleep(10000);
    }
    die("launcher: groups of an earlier run in %s cannot be emptied", options.cgroup);
}
