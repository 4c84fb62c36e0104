/* The groups of one sandbox: made, limited, joined, read, frozen, removed, on hosts with cgroup v1, v2 or both. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_PERIOD_US UINT64_C(100000)
#define V1_UNLIMITED "-1"

const char *cgroup_kind(void)
{
    return hierarchies.kind;
}

bool cgroup_v2_limits(void)
{
    return hierarchies.v2_limits;
}

/* Bits in the order of spawn_v1_controllers. Controllers mounted together appear in each of their folders. */
uint32_t cgroup_v1_mask(void)
{
    return hierarchies.v2_limits ? 0 : 1u << MEMORY | 1u << CPU | 1u << CPUACCT | 1u << PIDS;
}

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
    int memory = open_folder(hierarchies.v1[MEMORY], id), cpu = open_folder(hierarchies.v1[CPU], id), pids = open_folder(hierarchies.v1[PIDS], id);
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
        if (hierarchies.v1[BLKIO] < 0 || (mkdirat(hierarchies.v1[BLKIO], id, 0755) && errno != EEXIST))
            return -1;
        int folder = open_folder(hierarchies.v1[BLKIO], id);
        result = limit_block_io(limits, folder, false);
        error = errno;
        close(folder);
    }
    errno = error;
    return result ? -1 : 0;
}

int cgroup_limit(const char *id, const struct limits *limits)
{
    if (!hierarchies.v2_limits)
        return limit_v1(id, limits);
    int folder = open_folder(hierarchies.v2, id);
    int result = folder < 0 ? -1 : limit_v2(folder, limits);
    int error = errno;
    close(folder);
    errno = error;
    return result;
}

int cgroup_create(const char *id, const struct limits *limits)
{
    if (hierarchies.v2 >= 0 && mkdirat(hierarchies.v2, id, 0755) && errno != EEXIST)
        return -1;
    if (!hierarchies.v2_limits)
        for (int i = MEMORY; i <= PIDS; i++)
            if (mkdirat(hierarchies.v1[i], id, 0755) && errno != EEXIST)
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
    if (hierarchies.v2 >= 0 && join(hierarchies.v2, id, pid))
        return -1;
    if (hierarchies.v2_limits)
        return 0;
    for (int i = MEMORY; i <= BLKIO; i++)
        if (hierarchies.v1[i] >= 0 && join(hierarchies.v1[i], id, pid) && !(i == BLKIO && errno == ENOENT))
            return -1;
    return 0;
}

static void read_v1(const char *id, struct counters *counters)
{
    char path[96];
    snprintf(path, sizeof path, "%s/cpuacct.usage", id);
    counters->cpu_us = get_number(hierarchies.v1[CPUACCT], path) / 1000;
    snprintf(path, sizeof path, "%s/memory.usage_in_bytes", id);
    counters->memory = get_number(hierarchies.v1[MEMORY], path);
    snprintf(path, sizeof path, "%s/memory.max_usage_in_bytes", id);
    counters->peak = get_number(hierarchies.v1[MEMORY], path);
    snprintf(path, sizeof path, "%s/memory.oom_control", id);
    counters->oom_kills = get_keyed(hierarchies.v1[MEMORY], path, "oom_kill");
    snprintf(path, sizeof path, "%s/pids.current", id);
    counters->pids = get_number(hierarchies.v1[PIDS], path);
}

static void read_v2(const char *id, struct counters *counters)
{
    char path[96];
    snprintf(path, sizeof path, "%s/cpu.stat", id);
    counters->cpu_us = get_keyed(hierarchies.v2, path, "usage_usec");
    snprintf(path, sizeof path, "%s/memory.current", id);
    counters->memory = get_number(hierarchies.v2, path);
    snprintf(path, sizeof path, "%s/memory.peak", id);
    counters->peak = get_number(hierarchies.v2, path);
    snprintf(path, sizeof path, "%s/memory.events", id);
    counters->oom_kills = get_keyed(hierarchies.v2, path, "oom_kill");
    snprintf(path, sizeof path, "%s/pids.current", id);
    counters->pids = get_number(hierarchies.v2, path);
}

void cgroup_read(const char *id, struct counters *counters)
{
    *counters = (struct counters){0};
    if (hierarchies.v2_limits)
        read_v2(id, counters);
    else
        read_v1(id, counters);
}

void cgroup_reset_peak(const char *id)
{
    char path[96];
    snprintf(path, sizeof path, hierarchies.v2_limits ? "%s/memory.peak" : "%s/memory.max_usage_in_bytes", id);
    (void)put_number(hierarchies.v2_limits ? hierarchies.v2 : hierarchies.v1[MEMORY], path, 0);
}

int cgroup_freeze(const char *id, bool frozen)
{
    char path[96];
    if (hierarchies.v2 >= 0) {
        snprintf(path, sizeof path, "%s/cgroup.freeze", id);
        return put_number(hierarchies.v2, path, frozen);
    }
    if (hierarchies.v1[FREEZER] < 0) {
        errno = ENOTSUP;
        return -1;
    }
    snprintf(path, sizeof path, "%s/freezer.state", id);
    return put(hierarchies.v1[FREEZER], path, frozen ? "FROZEN" : "THAWED");
}

void cgroup_remove(const char *id)
{
    if (hierarchies.v2 >= 0)
        unlinkat(hierarchies.v2, id, AT_REMOVEDIR);
    for (int i = 0; i < HIERARCHIES && !hierarchies.v2_limits; i++)
        if (hierarchies.v1[i] >= 0)
            unlinkat(hierarchies.v1[i], id, AT_REMOVEDIR);
}
