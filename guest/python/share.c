/* Lets forks of the zygote find the program text mapped.
 *
 * A fork copies the page tables of an area only if some page of it is private to the process; those of code and
 * constants it leaves empty, and the child takes a fault for every 64 KiB it runs through: 120 of them for a "hello".
 * One byte written back unchanged makes one page private, and with it the area's page table worth copying. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define AREAS_MAX 512
#define WORTH_BYTES (64u << 10)
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

int cloche_share_text(void);

struct area {
    uintptr_t start, end;
    int protection;
};

/* Areas of files that are read or run but not written. */
static size_t list_areas(struct area areas[AREAS_MAX])
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return 0;
    while (count < AREAS_MAX && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) == 3 && mode[1] == '-' && mode[3] == 'p' &&
            strchr(line, '/') && mode[0] == 'r' && end - start >= WORTH_BYTES)
            areas[count++] = (struct area){start, end, PROT_READ | (mode[2] == 'x' ? PROT_EXEC : 0)};
    }
    fclose(maps);
    return count;
}

/* How many areas were shared. The whole area changes, not its first page: the kernel would keep that apart for good. */
int cloche_share_text(void)
{
    static struct area areas[AREAS_MAX];
    int shared = 0;
    size_t count = list_areas(areas);
    for (size_t i = 0; i < count; i++) {
        void *start = (void *)areas[i].start;
        size_t length = areas[i].end - areas[i].start;
        if (madvise(start, length, MADV_POPULATE_READ) || mprotect(start, length, areas[i].protection | PROT_WRITE))
            continue;
        volatile char *first = start;
        *first = *first;
        shared += mprotect(start, length, areas[i].protection) == 0;
    }
    return shared;
}
