#include "user.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fields.h"

void identity_harden(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

void files_as_user(uint32_t uid)
{
    setfsgid(uid);
    setfsuid(uid);
}

void files_as_root(void)
{
    setfsuid(0);
    setfsgid(0);
    identity_harden();
}

/* kill(-1) cannot tell whether anyone is left: it says yes as well when all there is are processes it may not signal.
 * The folder of a process belongs to its effective user, also when it is undumpable or dead and not yet reaped. A program
 * that was started with a uid of its own is killed here. */
static bool any_user_process(void)
{
    DIR *table = opendir("/proc");
    if (table == NULL)
        return true;
    bool any = false;
    for (struct dirent *entry; (entry = readdir(table)) != NULL;) {
        struct stat owner;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            fstatat(dirfd(table), entry->d_name, &owner, AT_SYMLINK_NOFOLLOW) < 0 || owner.st_uid == 0)
            continue;
        any = true;
        if (owner.st_uid != USER_UID)
            kill((pid_t)atoi(entry->d_name), SIGKILL);
    }
    closedir(table);
    return any;
}

bool kill_user_processes(void)
{
    /* The saved uid stays 0 and is the way back; the effective capabilities go with the effective uid, the permitted
     * ones stay. */
    bool changed = setresuid(USER_UID, USER_UID, 0) == 0;
    if (changed)
        kill(-1, SIGKILL);
    if (setresuid(0, 0, 0) != 0)
        _exit(1);
    identity_harden();
    return !changed || any_user_process();
}
