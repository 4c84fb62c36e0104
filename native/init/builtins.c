#include "builtins.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

builtin_main *builtin_named(const char *name)
{
    static const struct {
        const char *name;
        builtin_main *run;
    } all[] = {{"files-in", files_in}, {"files-out", files_out}, {"wipe", wipe}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].run;
    return NULL;
}

int builtin_complain(const char *name, int error, const char *what)
{
    char text[ERROR_TEXT_MAX];
    error_text(text, error, what);
    write_whole(STDERR_FILENO, name, strlen(name));
    write_whole(STDERR_FILENO, ": ", 2);
    write_whole(STDERR_FILENO, text, strlen(text));
    write_whole(STDERR_FILENO, "\n", 1);
    return error;
}

int read_whole(int fd, void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, (uint8_t *)data + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0 && at == 0)
            return 0;
        if (got == 0)
            errno = EPIPE;
        if (got <= 0)
            return -1;
        at += (size_t)got;
    }
    return 1;
}

int write_whole(int fd, const void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t done = write(fd, (const uint8_t *)data + at, size - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += (size_t)done;
    }
    return 1;
}
