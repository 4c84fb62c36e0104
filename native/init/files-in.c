#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtins.h"
#include "bytes.h"
#include "le.h"
#include "records.h"

/*
 * files-in: records from standard input become files, directories and links. What is in the way of a file is replaced,
 * not written through, so that a link somebody left there changes nothing elsewhere. A directory gets its mode at the
 * very end, when nothing has to be made in it any more.
 */

static const char name[] = "files-in";
static uint8_t chunk[65536];
static struct bytes directories; /* u32 mode, path, NUL; repeated */

static int make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int made = mkdir(path, 0755);
        *slash = '/';
        if (made < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

typedef int make(const char *path, const char *target);

static int make_file(const char *path, const char *target)
{
    (void)target;
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int make_link(const char *path, const char *target)
{
    return symlink(target, path);
}

static int make_directory(const char *path, const char *target)
{
    (void)target;
    struct stat found;
    int made = mkdir(path, 0755);
    if (made < 0 && errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return chmod(path, (found.st_mode & 07777) | 0700);
    return made;
}

/* Makes it; then, if that failed, with its parents there; then, if that failed, with what was in the way gone. */
static int make_for_certain(make *how, char *path, const char *target)
{
    int made = how(path, target);
    if (made < 0 && errno == ENOENT && make_parents(path) == 0)
        made = how(path, target);
    if (made < 0 && errno == EEXIST && unlink(path) == 0)
        made = how(path, target);
    return made;
}

static int take_file(char *path, const struct record *record)
{
    int fd = make_for_certain(make_file, path, NULL);
    if (fd < 0)
        return -1;
    int result = 1;
    for (uint64_t left = record->size; left > 0 && result == 1;) {
        size_t size = left < sizeof chunk ? (size_t)left : sizeof chunk;
        result = read_whole(STDIN_FILENO, chunk, size);
        if (result == 0)
            errno = EPIPE;
        if (result == 1)
            result = write_whole(fd, chunk, size);
        left -= size;
    }
    if (result == 1 && fchmod(fd, record->mode & 07777) < 0)
        result = -1;
    int cause = errno;
    close(fd);
    errno = cause;
    return result == 1 ? 0 : -1;
}

static int take_link(char *path, const struct record *record)
{
    char target[RECORD_PATH_MAX + 1];
    int result = read_whole(STDIN_FILENO, target, (size_t)record->size);
    if (result != 1) {
        errno = result == 0 ? EPIPE : errno;
        return -1;
    }
    target[record->size] = 0;
    return make_for_certain(make_link, path, target);
}

static int take_directory(char *path, const struct record *record)
{
    uint8_t mode[4];
    le_put32(mode, record->mode & 07777);
    if (!bytes_push(&directories, mode, sizeof mode) || !bytes_push(&directories, path, strlen(path) + 1)) {
        errno = ENOMEM;
        return -1;
    }
    return make_for_certain(make_directory, path, NULL);
}

static int take(char *path, const struct record *record)
{
    switch (record->mode & S_IFMT) {
    case S_IFDIR:
        return take_directory(path, record);
    case S_IFLNK:
        return take_link(path, record);
    default:
        return take_file(path, record);
    }
}

/* Last first: what was named later lies deeper, and must be reachable when its turn comes. */
static void set_directory_modes(const uint8_t *first, size_t size)
{
    const uint8_t **all = calloc(size / 6 + 1, sizeof *all);
    size_t count = 0;
    for (size_t at = 0; all != NULL && at < size; at += 4 + strlen((const char *)first + at + 4) + 1)
        all[count++] = first + at;
    while (count-- > 0)
        chmod((const char *)all[count] + 4, le_get32(all[count]));
    free(all);
}

/* Reads one head, in the two steps its length takes. 1, 0 at the end, -1. */
static int read_head(struct record *record)
{
    static uint8_t head[RECORD_HEAD_MAX];
    int result = read_whole(STDIN_FILENO, head, 4);
    if (result != 1)
        return result;
    uint32_t path_size = le_get32(head);
    errno = EINVAL;
    if (path_size < 1 || path_size > RECORD_PATH_MAX)
        return -1;
    result = read_whole(STDIN_FILENO, head + 4, (size_t)path_size + 12);
    if (result != 1) {
        errno = result == 0 ? EPIPE : errno;
        return -1;
    }
    errno = EINVAL;
    return record_parse(head, 4 + (size_t)path_size + 12, record) > 0 ? 1 : -1;
}

int files_in(char **args)
{
    (void)args;
    umask(0);
    if (chdir("/workspace") < 0)
        return builtin_complain(name, errno, "/workspace");
    for (;;) {
        struct record record;
        int result = read_head(&record);
        if (result == 0)
            break;
        if (result < 0)
            return builtin_complain(name, errno, "a record");
        char path[RECORD_PATH_MAX + 1];
        memcpy(path, record.path, record.path_size);
        path[record.path_size] = 0;
        if (take(path, &record) < 0)
            return builtin_complain(name, errno, path);
    }
    set_directory_modes(bytes_first(&directories), bytes_size(&directories));
    return 0;
}
