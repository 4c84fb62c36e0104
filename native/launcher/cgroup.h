/* Inside the control-group files: the hierarchies found, and reading and writing their small files. */
#ifndef CLOCHE_CGROUP_H
#define CLOCHE_CGROUP_H

#include "launcher.h"

enum { MEMORY, CPU, CPUACCT, PIDS, BLKIO, FREEZER, HIERARCHIES };

/* Folders of the parent group, opened once; -1 where there is none. */
struct hierarchies {
    int v1[HIERARCHIES];
    int v2;
    bool v2_limits; /* v2 carries the limits, not v1 */
    char kind[8];
};
extern struct hierarchies hierarchies;

/* small-files.c: files relative to an open folder. 0, or -1 with errno. */
int put(int folder, const char *file, const char *text);
int put_number(int folder, const char *file, uint64_t value);
bool get(int folder, const char *file, char *text, size_t size);
uint64_t get_number(int folder, const char *file);
/* The number after `key ` at the start of a line, 0 when there is none. */
uint64_t get_keyed(int folder, const char *file, const char *key);
int open_folder(int parent, const char *name);

#endif
