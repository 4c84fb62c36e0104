/* Tries each thing that sandboxes need of the kernel, and says for each whether it works: `name yes` or
 * `name no <step>: <reason>`, one line each. `cloche doctor` reads them.
 *
 * Everything is tried in a child of its own, so that nothing is left when it ends. Runs as any user; what only root may
 * do answers with the kernel's refusal.
 *
 * usage: probe FOLDER   (a folder on the file system whose trees are to be id-mapped) */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define NOBODY 65534

static char *folder;

/* Ends the child with the step that failed; the parent prints it. */
static void need(int failed, const char *step)
{
    if (!failed)
        return;
    printf("no %s: %s\n", step, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static void write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    need(file < 0 || write(file, text, strlen(text)) < 0, path);
    close(file);
}

/* Namespaces are made by an ordinary user, as sandboxes' are: what root may do proves nothing. */
static void become_ordinary(void)
{
    if (geteuid() == 0)
        need(setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY), "changing to an ordinary user");
    /* Changing ids makes a process undumpable and its /proc files root's. */
    prctl(PR_SET_DUMPABLE, 1);
}

static void enter_user_namespace(int others)
{
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    need(unshare(CLONE_NEWUSER), "making a user namespace");
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_text("/proc/self/gid_map", map);
    /* Where AppArmor restricts user namespaces, making one works and being root in it does not. */
    need(unshare(CLONE_NEWNS | others), "making more namespaces inside it");
    need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "changing mounts inside it");
}

static void try_user_namespaces(void)
{
    become_ordinary();
    enter_user_namespace(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
}

static void try_time_namespaces(void)
{
    become_ordinary();
    enter_user_namespace(CLONE_NEWTIME);
}

static void try_overlay(void)
{
    become_ordinary();
    enter_user_namespace(0);
    need(mount("tmpfs", "/tmp", "tmpfs", 0, NULL), "mounting a tmpfs");
    need(mkdir("/tmp/l", 0755) || mkdir("/tmp/u", 0755) || mkdir("/tmp/w", 0755) || mkdir("/tmp/m", 0755), "making folders");
    need(mount("overlay", "/tmp/m", "overlay", 0,
               "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr"),
         "mounting an overlay");
}

static void try_idmapped_mounts(void)
{
    int ready[2], done[2];
    char byte = 0, path[64], map[] = "0 1879048192 65536";
    need(pipe(ready) || pipe(done), "making pipes");
    pid_t holder = fork();
    need(holder < 0, "forking");
    if (holder == 0) {
        close(done[1]);
        byte = unshare(CLONE_NEWUSER) ? 'n' : 'y';
        if (write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    need(read(ready[0], &byte, 1) != 1 || byte != 'y', "making a user namespace");
    snprintf(path, sizeof path, "/proc/%d/uid_map", holder);
    write_text(path, map);
    snprintf(path, sizeof path, "/proc/%d/gid_map", holder);
    write_text(path, map);
    snprintf(path, sizeof path, "/proc/%d/ns/user", holder);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    need(space < 0, "opening a user namespace");
    int tree = syscall(SYS_open_tree, AT_FDCWD, folder, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    need(tree < 0, "copying a mount");
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = space};
    need(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes), "mapping its ids");
}

static void try_seccomp(void)
{
    static const unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO};
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        need(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]), "asking for an action");
    struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct sock_fprog filter = {.len = 1, .filter = &allow};
    need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "giving up new privileges");
    need(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), "installing a filter");
}

static void try_pidfd(void)
{
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    need(self < 0, "opening a process");
    need(syscall(SYS_pidfd_send_signal, self, 0, NULL, 0), "signalling through it");
}

static void try_socket_lookup(void)
{
    struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS},
                              {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
                                 .expected_attach_type = BPF_SK_LOOKUP,
                                 .insns = (uintptr_t)pass,
                                 .insn_cnt = 2,
                                 .license = (uintptr_t)"GPL"};
    need(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes) < 0, "loading a program");
}

static const struct {
    const char *name;
    void (*attempt)(void);
} attempts[] = {
    {"user-namespaces", try_user_namespaces}, {"time-namespaces", try_time_namespaces},
    {"overlay", try_overlay},                 {"idmapped-mounts", try_idmapped_mounts},
    {"seccomp", try_seccomp},                 {"pidfd", try_pidfd},
    {"socket-lookup", try_socket_lookup},
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: probe FOLDER\n");
        return 64;
    }
    folder = argv[1];
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        printf("%s ", attempts[i].name);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            attempts[i].attempt();
            printf("yes\n");
            fflush(stdout);
            _exit(0);
        }
        if (child < 0 || waitpid(child, NULL, 0) < 0) {
            printf("no forking: %s\n", strerror(errno));
            return 1;
        }
    }
    return 0;
}
