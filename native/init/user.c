#include "user.h"

#include <errno.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
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

bool kill_user_processes(void)
{
    /* The saved uid stays 0 and is the way back; the effective capabilities go with the effective uid, the permitted
     * ones stay. */
    bool any = setresuid(USER_UID, USER_UID, 0) != 0 || kill(-1, SIGKILL) == 0 || errno != ESRCH;
    if (setresuid(0, 0, 0) != 0)
        _exit(1);
    identity_harden();
    return any;
}
