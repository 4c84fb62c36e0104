/* Drives cgroup.c against the mount table named on the command line, so that the writer of a kind this machine does not
 * have can be held against a recorded tree. Waits for a line between finding the tree and limiting one sandbox. */
#include "../launcher.h"

#include <stdio.h>

struct options options = {.layers = "/", .cgroup = "cloche", .memory_reserve = 512ull << 20};

int main(int argc, char **argv)
{
    struct counters counters;
    const struct limits limits = {.memory = 268435456, .cpu_millis = 1500, .pids = 64, .read_bps = 1000000};
    if (argc != 2)
        return 2;
    cgroup_open(argv[1]);
    printf("%s\n", cgroup_kind());
    fflush(stdout);
    if (getchar() == EOF)
        return 3;
    if (cgroup_create("sandbox1", &limits) || cgroup_join("sandbox1", 4242) || cgroup_freeze("sandbox1", true)) {
        perror("cgroup");
        return 1;
    }
    cgroup_read("sandbox1", &counters);
    printf("%llu %llu %llu %llu %llu\n", (unsigned long long)counters.cpu_us, (unsigned long long)counters.memory,
           (unsigned long long)counters.peak, (unsigned long long)counters.oom_kills,
           (unsigned long long)counters.pids);
    return 0;
}
