/*
 * The records files travel in: `u32 path length | path | u32 mode | u64 size | bytes`. A mode without type bits is a
 * regular file's; with them it can be a directory (size 0) or a symbolic link (the bytes are its target).
 */
#ifndef CLOCHE_RECORDS_H
#define CLOCHE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_PATH_MAX = 4095,
    RECORD_HEAD_MAX = 4 + RECORD_PATH_MAX + 4 + 8,
};

/* The mode of a path that is not there, or that the user may not read. */
#define RECORD_MISSING UINT32_MAX

struct record {
    const char *path; /* not ended by NUL */
    uint32_t path_size, mode;
    uint64_t size;
};

enum { RECORD_INCOMPLETE = 0, RECORD_INVALID = -1 };

/* The length of the head at the start of data, RECORD_INCOMPLETE or RECORD_INVALID. Paths with ".." in them are
 * invalid. */
long record_parse(const uint8_t *data, size_t size, struct record *out);

/* The length of the head written. */
size_t record_head(uint8_t head[RECORD_HEAD_MAX], const struct record *record);

#endif
