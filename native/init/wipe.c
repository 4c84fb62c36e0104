#include "wipe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "builtins.h"

/*
 * wipe: empties the places the user can write, and fails if something remains. It walks with one open directory and
 * "..", so neither depth nor length of a path can hurt it; links are removed and never followed; directories locked by
 * their mode are unlocked first.
 */

static const char name[] = "wipe";
static const char *const places[] = {"/workspace", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"};

enum { OPENING = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
enum { EMPTY = -1, FAILED = -2 };

static bool is_self_or_parent(const char *entry)
{
    return entry[0] == '.' && (entry[1] == 0 || (entry[1] == '.' && entry[2] == 0));
}

/* 0 when the entry is gone, FAILED, or the descriptor of the directory that has to be emptied before it can go. */
static int remove_entry(int directory, const char *entry)
{
    if (unlinkat(directory, entry, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR || (unlinkat(directory, entry, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != ENOENT))
        return FAILED;
    /* Gone, or about to be found gone. */
    if (faccessat(directory, entry, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (fchmodat(directory, entry, 0700, 0) < 0)
        return FAILED;
    int fd = openat(directory, entry, OPENING);
    return fd < 0 ? FAILED : fd;
}

/* EMPTY, FAILED, or a directory inside that is not empty. */
static int remove_entries(int directory)
{
    static char entries[32768] __attribute__((aligned(8)));
    for (;;) {
        bool seen = false;
        if (lseek(directory, 0, SEEK_SET) < 0)
            return FAILED;
        for (long size; (size = syscall(SYS_getdents64, directory, entries, sizeof entries)) != 0;) {
            if (size < 0)
                return FAILED;
            for (long at = 0; at < size;) {
                struct dirent64 *entry = (struct dirent64 *)(void *)(entries + at);
                at += entry->d_reclen;
                if (is_self_or_parent(entry->d_name))
                    continue;
                seen = true;
                int inside = remove_entry(directory, entry->d_name);
                if (inside != 0)
                    return inside;
            }
        }
        /* Removing while reading may skip entries: only a whole look that finds none counts. */
        if (!seen)
            return EMPTY;
    }
}

static int empty(int top)
{
    int at = top;
    for (size_t depth = 0;;) {
        int next = remove_entries(at);
        if (next == EMPTY && depth == 0)
            return 0;
        if (next == EMPTY) {
            next = openat(at, "..", OPENING);
            depth--;
        } else if (next != FAILED) {
            depth++;
        }
        int cause = errno;
        if (at != top)
            close(at);
        errno = cause;
        if (next < 0)
            return -1;
        at = next;
        /* Back at the top by another descriptor: go on with that one, the first stays the caller's. */
    }
}

int wipe(char **args)
{
    (void)args;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int top = open(places[i], OPENING);
        if (top < 0 && errno == ENOENT)
            continue;
        if (top < 0 || empty(top) < 0)
            return builtin_complain(name, errno, places[i]);
        close(top);
    }
    return 0;
}

/* A kernel without System V IPC, or a filter that refuses it whole, has nothing to remove. */
static bool is_absent(long result)
{
    return result < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES);
}

static int remove_shared_memory(void)
{
    struct shmid_ds status;
    struct shm_info all;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&all);
    if (last < 0)
        return is_absent(last) ? 0 : -1;
    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT_ANY, &status);
        if (id >= 0 && shmctl(id, IPC_RMID, NULL) < 0)
            return -1;
    }
    return 0;
}

union semun {
    int value;
    struct semid_ds *status;
    struct seminfo *all;
};

static int remove_semaphores(void)
{
    struct semid_ds status;
    struct seminfo all;
    int last = semctl(0, 0, SEM_INFO, (union semun){.all = &all});
    if (last < 0)
        return is_absent(last) ? 0 : -1;
    for (int i = 0; i <= last; i++) {
        int id = semctl(i, 0, SEM_STAT_ANY, (union semun){.status = &status});
        if (id >= 0 && semctl(id, 0, IPC_RMID) < 0)
            return -1;
    }
    return 0;
}

static int remove_message_queues(void)
{
    struct msqid_ds status;
    struct msginfo all;
    int last = msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&all);
    if (last < 0)
        return is_absent(last) ? 0 : -1;
    for (int i = 0; i <= last; i++) {
        int id = msgctl(i, MSG_STAT_ANY, &status);
        if (id >= 0 && msgctl(id, IPC_RMID, NULL) < 0)
            return -1;
    }
    return 0;
}

int wipe_everything(char **args)
{
    if (remove_shared_memory() < 0 || remove_semaphores() < 0 || remove_message_queues() < 0)
        return builtin_complain(name, errno, "System V IPC");
    return wipe(args);
}
