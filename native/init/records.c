#include "records.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "le.h"

static bool is_sound_path(const char *path, uint32_t size)
{
    if (memchr(path, 0, size) != NULL)
        return false;
    for (uint32_t start = 0; start <= size;) {
        const char *slash = memchr(path + start, '/', size - start);
        uint32_t end = slash != NULL ? (uint32_t)(slash - path) : size;
        if (end - start == 2 && path[start] == '.' && path[start + 1] == '.')
            return false;
        start = end + 1;
    }
    return true;
}

static bool is_sound_kind(uint32_t mode, uint64_t size)
{
    switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
        return size <= INT64_MAX;
    case S_IFDIR:
        return size == 0;
    case S_IFLNK:
        return size >= 1 && size <= RECORD_PATH_MAX;
    default:
        return false;
    }
}

long record_parse(const uint8_t *data, size_t size, struct record *out)
{
    if (size < 4)
        return RECORD_INCOMPLETE;
    uint32_t path_size = le_get32(data);
    if (path_size < 1 || path_size > RECORD_PATH_MAX)
        return RECORD_INVALID;
    if (size < 4 + (size_t)path_size + 12)
        return RECORD_INCOMPLETE;
    *out = (struct record){
        .path = (const char *)data + 4,
        .path_size = path_size,
        .mode = le_get32(data + 4 + path_size),
        .size = le_get64(data + 4 + path_size + 4),
    };
    if (out->mode & ~(uint32_t)(S_IFMT | 07777) || !is_sound_kind(out->mode, out->size) ||
        !is_sound_path(out->path, path_size))
        return RECORD_INVALID;
    return 4 + (long)path_size + 12;
}

size_t record_head(uint8_t head[RECORD_HEAD_MAX], const struct record *record)
{
    le_put32(head, record->path_size);
    memcpy(head + 4, record->path, record->path_size);
    le_put32(head + 4 + record->path_size, record->mode);
    le_put64(head + 4 + record->path_size + 4, record->size);
    return 4 + (size_t)record->path_size + 12;
}
