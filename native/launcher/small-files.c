#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int put(int folder, const char *file, const char *text)
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

int put_number(int folder, const char *file, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return put(folder, file, text);
}

bool get(int folder, const char *file, char *text, size_t size)
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

uint64_t get_number(int folder, const char *file)
{
    char text[64];
    return get(folder, file, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

uint64_t get_keyed(int folder, const char *file, const char *key)
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

int open_folder(int parent, const char *name)
{
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
