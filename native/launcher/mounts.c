/* What only root may mount: the base seen through a sandbox's ids, and the root that zygotes live in. */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define STAGE "/mnt"

void mounts_private(void)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        die("launcher: cannot have a mount namespace of its own: %s (is it root?)", strerror(errno));
}

/* A detached, read-only copy of the mount at `path` in which the ids of the namespace stand for 0..65535. */
int mount_detached(const char *path, int user_namespace)
{
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0)
        return -1;
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
        .propagation = MS_PRIVATE,
        .userns_fd = (uint64_t)user_namespace,
    };
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes)) {
        int error = errno;
        close(tree);
        errno = error;
        return -1;
    }
    return tree;
}

static void must(int result, const char *what)
{
    if (result)
        die("zygote root: %s: %s", what, strerror(errno));
}

static void bind_read_only(const char *from, const char *to)
{
    must(mount(from, to, NULL, MS_BIND, NULL), to);
    must(mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL), to);
}

static void node(const char *path, mode_t mode, unsigned major, unsigned minor)
{
    must(mknod(path, mode, makedev(major, minor)) || chmod(path, mode & 07777), path);
}

/* The /dev of zygotes and of all sandboxes: one read-only tmpfs of nodes that harm nobody. The places for what each
 * sandbox mounts of its own (pts, shm, mqueue) are empty folders. */
static void devices(const char *folder)
{
    static const char *const folders[] = {"pts", "shm", "mqueue"};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};
    must(mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k"), "mount /dev");
    must(chdir(folder), "enter /dev");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        must(mkdir(folders[i], 0755), folders[i]);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        must(symlink(links[i][0], links[i][1]), links[i][1]);
    node("null", S_IFCHR | 0666, 1, 3);
    node("zero", S_IFCHR | 0666, 1, 5);
    node("full", S_IFCHR | 0666, 1, 7);
    node("random", S_IFCHR | 0666, 1, 8);
    node("urandom", S_IFCHR | 0666, 1, 9);
    node("tty", S_IFCHR | 0666, 5, 0);
    must(mount(NULL, folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL), "/dev read-only");
}

/* Makes the base the root of the caller, in a mount namespace that tenants' clones copy: so nothing of the host may be
 * in it. /mnt holds the staging places of native/zygote/root.c. */
void zygote_root_enter(void)
{
    static const char *const stages[] = {"/tmpfs", "/base", "/root", "/dev"};
    char path[PATH_BYTES + 64];
    must(unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private namespace");
    bind_read_only(options.base, options.base);
    snprintf(path, sizeof path, "%s/opt/cloche", options.base);
    bind_read_only(options.guest, path);
    snprintf(path, sizeof path, "%s" STAGE, options.base);
    must(mount("tmpfs", path, "tmpfs", MS_NOSUID, "mode=0755,size=64k"), "mount staging");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        snprintf(path, sizeof path, "%s" STAGE "%s", options.base, stages[i]);
        must(mkdir(path, 0755), path);
    }
    devices(path);
    snprintf(path, sizeof path, "%s/proc", options.base);
    must(mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
    must(chdir(options.base), "enter base");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "leave the host's root");
    must(chdir("/"), "enter root");
    must(mount(STAGE "/dev", "/dev", NULL, MS_BIND, NULL), "bind /dev");
}
