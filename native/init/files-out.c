#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builtins.h"
#include "bytes.h"
#include "records.h"

/*
 * files-out [--tree] PATH...: the named files, and all files of the named directories, as records on standard output.
 * With --tree directories and links are records too, so that files-in makes the same tree again; without it a link is
 * read as the file it leads to, if it leads to one. Sockets, fifos and devices are left out. A file that changes while
 * it is read keeps the size that was told: cut, or filled with zeros.
 */

static const char name[] = "files-out";
static uint8_t chunk[65536];
static bool tree;
static struct bytes waiting; /* directories still to be read: path, NUL; the last one is next */

/* A reader that is gone ends everything: nobody is left to tell. */
static void emit(const void *data, size_t size)
{
    if (write_whole(STDOUT_FILENO, data, size) < 0)
        _exit(errno);
}

static void emit_head(const char *path, uint32_t mode, uint64_t size)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct record record = {.path = path, .path_size = (uint32_t)strlen(path), .mode = mode, .size = size};
    emit(head, record_head(head, &record));
}

/* What is not there, cannot be opened, or is neither file nor directory; the reason goes to standard error. */
static void emit_missing(const char *path, int error)
{
    builtin_complain(name, error, path);
    emit_head(path, RECORD_MISSING, 0);
}

static void emit_content(int fd, uint64_t size)
{
    bool ended = false;
    for (uint64_t left = size; left > 0;) {
        size_t want = left < sizeof chunk ? (size_t)left : sizeof chunk;
        ssize_t got = ended ? 0 : read(fd, chunk, want);
        if (got <= 0) {
            ended = true;
            memset(chunk, 0, want);
            got = (ssize_t)want;
        }
        emit(chunk, (size_t)got);
        left -= (uint64_t)got;
    }
}

static void put_off(const char *path)
{
    if (!bytes_push(&waiting, path, strlen(path) + 1))
        _exit(builtin_complain(name, ENOMEM, path));
}

/* A fifo opened without O_NONBLOCK would wait for its other side for ever. */
enum { READING = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

static void emit_path(const char *path, int extra)
{
    struct stat found;
    int fd = open(path, READING | extra);
    if (fd < 0) {
        emit_missing(path, errno);
        return;
    }
    if (fstat(fd, &found) < 0) {
        emit_missing(path, errno);
    } else if (S_ISDIR(found.st_mode)) {
        if (tree)
            emit_head(path, S_IFDIR | (found.st_mode & 07777), 0);
        put_off(path);
    } else if (S_ISREG(found.st_mode)) {
        emit_head(path, found.st_mode & 07777, (uint64_t)found.st_size);
        emit_content(fd, (uint64_t)found.st_size);
    } else {
        emit_missing(path, EINVAL);
    }
    close(fd);
}

static void emit_link(const char *path)
{
    char target[RECORD_PATH_MAX + 1];
    ssize_t size = readlink(path, target, sizeof target);
    if (size < 1 || size > RECORD_PATH_MAX)
        return;
    emit_head(path, S_IFLNK | 0777, (uint64_t)size);
    emit(target, (size_t)size);
}

static void emit_entry(const char *directory, const char *entry)
{
    char path[RECORD_PATH_MAX + 1];
    size_t size = strlen(directory), more = strlen(entry);
    bool slash = size > 0 && directory[size - 1] != '/';
    if (size + slash + more > RECORD_PATH_MAX) {
        builtin_complain(name, ENAMETOOLONG, directory);
        return;
    }
    memcpy(path, directory, size);
    path[size] = '/';
    memcpy(path + size + slash, entry, more + 1);

    struct stat found;
    if (lstat(path, &found) < 0)
        return;
    struct stat target;
    if (S_ISDIR(found.st_mode) || S_ISREG(found.st_mode))
        emit_path(path, O_NOFOLLOW);
    else if (S_ISLNK(found.st_mode) && tree)
        emit_link(path);
    else if (S_ISLNK(found.st_mode) && stat(path, &target) == 0 && S_ISREG(target.st_mode))
        emit_path(path, 0);
}

static void emit_directory(const char *path)
{
    DIR *entries = opendir(path);
    if (entries == NULL) {
        builtin_complain(name, errno, path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            emit_entry(path, entry->d_name);
    closedir(entries);
}

/* Takes the last path of the queue. A queue of paths instead of recursion: depth costs neither stack nor descriptors.
 */
static void take_last(char path[RECORD_PATH_MAX + 1])
{
    const char *first = (const char *)bytes_first(&waiting);
    size_t size = bytes_size(&waiting);
    const char *before = memrchr(first, 0, size - 1);
    const char *last = before != NULL ? before + 1 : first;
    size_t length = size - (size_t)(last - first);
    memcpy(path, last, length);
    waiting.end -= length;
}

int files_out(char **args)
{
    if (chdir("/workspace") < 0)
        return builtin_complain(name, errno, "/workspace");
    tree = args[1] != NULL && strcmp(args[1], "--tree") == 0;
    for (args += tree ? 2 : 1; *args != NULL; args++) {
        if (**args == 0 || strlen(*args) > RECORD_PATH_MAX)
            return builtin_complain(name, ENAMETOOLONG, *args);
        emit_path(*args, 0);
        while (bytes_size(&waiting) > 0) {
            char path[RECORD_PATH_MAX + 1];
            take_last(path);
            emit_directory(path);
        }
    }
    return 0;
}
