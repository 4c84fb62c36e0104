/* The system-call filter of every sandbox: an allow-list, each group with its reason. It is installed once, by what
 * becomes PID 1, and inherited by everything inside. Plain entries cost nothing per call: the kernel caches them. */
#include "sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no filter for this architecture"
#endif

/* Calls that came after the headers of older distributions; their numbers are the same on every architecture. */
#ifndef __NR_process_mrelease
#define __NR_process_mrelease 448
#endif
#ifndef __NR_futex_waitv
#define __NR_futex_waitv 449
#endif
#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_map_shadow_stack
#define __NR_map_shadow_stack 453
#endif
#ifndef __NR_futex_wake
#define __NR_futex_wake 454
#define __NR_futex_wait 455
#define __NR_futex_requeue 456
#endif
#define NEWEST_KNOWN_CALL 456
#define TIOCSTI_COMMAND 0x5412u
#define TIOCLINUX_COMMAND 0x541cu
#define NAMESPACE_FLAGS                                                                                              \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define TIME_NAMESPACE_FLAG 0x00000080u

static const uint16_t allowed[] = {
    /* files: names and contents, bounded by the mount namespace and by permissions */
    __NR_read, __NR_write, __NR_close, __NR_fstat, __NR_lseek, __NR_pread64, __NR_pwrite64, __NR_readv, __NR_writev,
    __NR_preadv, __NR_pwritev, __NR_preadv2, __NR_pwritev2, __NR_openat, __NR_openat2, __NR_close_range, __NR_fcntl,
    __NR_flock, __NR_fsync, __NR_fdatasync, __NR_sync_file_range, __NR_truncate, __NR_ftruncate, __NR_fallocate,
    __NR_getdents64, __NR_getcwd, __NR_chdir, __NR_fchdir, __NR_mkdirat, __NR_mknodat, __NR_unlinkat, __NR_symlinkat,
    __NR_linkat, __NR_renameat, __NR_renameat2, __NR_readlinkat, __NR_fchmod, __NR_fchmodat, __NR_fchmodat2,
    __NR_fchown, __NR_fchownat, __NR_faccessat, __NR_faccessat2, __NR_umask, __NR_statx, __NR_newfstatat,
    __NR_statfs, __NR_fstatfs, __NR_utimensat, __NR_copy_file_range, __NR_sendfile, __NR_splice, __NR_tee, __NR_vmsplice,
    __NR_readahead, __NR_fadvise64, __NR_cachestat, __NR_sync, __NR_syncfs, __NR_chroot, __NR_memfd_create,
    __NR_setxattr, __NR_lsetxattr, __NR_fsetxattr, __NR_getxattr, __NR_lgetxattr, __NR_fgetxattr, __NR_listxattr,
    __NR_llistxattr, __NR_flistxattr, __NR_removexattr, __NR_lremovexattr, __NR_fremovexattr, __NR_inotify_init1,
    __NR_inotify_add_watch, __NR_inotify_rm_watch, __NR_dup, __NR_dup3, __NR_pipe2,
    /* memory of one's own */
    __NR_mmap, __NR_munmap, __NR_mprotect, __NR_mremap, __NR_madvise, __NR_brk, __NR_msync, __NR_mincore, __NR_mlock,
    __NR_mlock2, __NR_munlock, __NR_mlockall, __NR_munlockall, __NR_membarrier, __NR_pkey_alloc, __NR_pkey_free,
    __NR_pkey_mprotect, __NR_map_shadow_stack, __NR_get_mempolicy, __NR_set_mempolicy, __NR_mbind,
    /* processes, seen and reached only inside the PID namespace; tracing is for debuggers, init is undumpable */
    __NR_execve, __NR_execveat, __NR_exit, __NR_exit_group, __NR_wait4, __NR_waitid, __NR_getpid, __NR_getppid,
    __NR_gettid, __NR_set_tid_address, __NR_getpgid, __NR_setpgid, __NR_getsid, __NR_setsid, __NR_kill, __NR_tkill,
    __NR_tgkill, __NR_pidfd_open, __NR_pidfd_send_signal, __NR_pidfd_getfd, __NR_process_mrelease, __NR_ptrace,
    __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp, __NR_getrusage, __NR_times, __NR_getpriority,
    __NR_setpriority, __NR_prlimit64, __NR_getrlimit, __NR_setrlimit, __NR_prctl, __NR_ioprio_get, __NR_ioprio_set,
    __NR_capget, __NR_capset, __NR_seccomp, __NR_rseq, __NR_set_robust_list, __NR_get_robust_list, __NR_process_madvise,
    /* identity: changes only where a capability allows, which is init and its helpers alone */
    __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getresuid, __NR_getresgid, __NR_getgroups, __NR_setuid,
    __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid, __NR_setresgid, __NR_setfsuid, __NR_setfsgid,
    __NR_setgroups,
    /* scheduling of one's own threads, bounded by the cpu cgroup */
    __NR_sched_yield, __NR_sched_getaffinity, __NR_sched_setaffinity, __NR_sched_getparam, __NR_sched_setparam,
    __NR_sched_getscheduler, __NR_sched_setscheduler, __NR_sched_getattr, __NR_sched_setattr,
    __NR_sched_get_priority_max, __NR_sched_get_priority_min, __NR_sched_rr_get_interval, __NR_getcpu,
    /* signals and waiting */
    __NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigpending, __NR_rt_sigtimedwait,
    __NR_rt_sigsuspend, __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, __NR_sigaltstack, __NR_signalfd4, __NR_futex,
    __NR_futex_waitv, __NR_futex_wake, __NR_futex_wait, __NR_futex_requeue, __NR_restart_syscall, __NR_ppoll,
    __NR_pselect6, __NR_epoll_create1, __NR_epoll_ctl, __NR_epoll_pwait, __NR_epoll_pwait2, __NR_eventfd2,
    /* time: reading it, sleeping, timers; the clock itself cannot be set without a capability */
    __NR_nanosleep, __NR_clock_nanosleep, __NR_clock_gettime, __NR_clock_getres, __NR_gettimeofday, __NR_getitimer,
    __NR_setitimer, __NR_timer_create, __NR_timer_settime, __NR_timer_gettime, __NR_timer_getoverrun,
    __NR_timer_delete, __NR_timerfd_create, __NR_timerfd_settime, __NR_timerfd_gettime,
    /* sockets that exist already; which families may be made is decided below */
    __NR_bind, __NR_listen, __NR_accept, __NR_accept4, __NR_connect, __NR_getsockname, __NR_getpeername,
    __NR_setsockopt, __NR_getsockopt, __NR_sendto, __NR_recvfrom, __NR_sendmsg, __NR_recvmsg, __NR_sendmmsg,
    __NR_recvmmsg, __NR_shutdown,
    /* System V and POSIX queues, in the sandbox's own IPC namespace */
    __NR_shmget, __NR_shmat, __NR_shmctl, __NR_shmdt, __NR_semget, __NR_semop, __NR_semctl, __NR_semtimedop,
    __NR_msgget, __NR_msgsnd, __NR_msgrcv, __NR_msgctl, __NR_mq_open, __NR_mq_unlink, __NR_mq_timedsend,
    __NR_mq_timedreceive, __NR_mq_notify, __NR_mq_getsetattr,
    /* asking about the machine */
    __NR_uname, __NR_sysinfo, __NR_getrandom,
#if defined(__x86_64__)
    /* older spellings of the above */
    __NR_open, __NR_stat, __NR_lstat, __NR_access, __NR_pipe, __NR_select, __NR_poll, __NR_dup2, __NR_pause,
    __NR_alarm, __NR_fork, __NR_vfork, __NR_rename, __NR_mkdir, __NR_rmdir, __NR_creat, __NR_link, __NR_unlink,
    __NR_symlink, __NR_readlink, __NR_chmod, __NR_chown, __NR_lchown, __NR_getpgrp, __NR_utime, __NR_utimes,
    __NR_futimesat, __NR_mknod, __NR_time, __NR_epoll_create, __NR_epoll_wait, __NR_eventfd, __NR_signalfd,
    __NR_inotify_init, __NR_getdents, __NR_arch_prctl,
#endif
};

/* io_uring and clone3 hide their arguments from a filter, and CRIU cannot save a ring; programs fall back on ENOSYS. */
static const uint16_t unknown[] = {__NR_clone3, __NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register};

struct program {
    struct sock_filter code[1024];
    unsigned short length;
};

static void emit(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
    p->code[p->length++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct program *p, uint32_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
}

static void give(struct program *p, uint32_t verdict)
{
    emit(p, BPF_RET | BPF_K, 0, 0, verdict);
}

static void give_when_equal(struct program *p, uint32_t value, uint32_t verdict)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    give(p, verdict);
}

static void give_when_any_bit(struct program *p, uint32_t bits, uint32_t verdict)
{
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    give(p, verdict);
}

#define DENY(error) (SECCOMP_RET_ERRNO | (error))
/* The low half of an argument: flags and families are 32 bits wide on every architecture built here. */
#define ARGUMENT(n) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n)))

/* Rules that look at arguments. Each is `if this call: judge the argument`, the body's length known to the jump. */
static void judge_arguments(struct program *p)
{
    struct {
        int call;
        unsigned argument;
        unsigned rules;
        struct {
            enum { EQUAL, BITS } test;
            uint32_t value;
            uint32_t verdict;
        } rule[5];
        uint32_t otherwise;
    } judged[] = {
        {__NR_socket, 0, 3,
         {{EQUAL, AF_UNIX, SECCOMP_RET_ALLOW}, {EQUAL, AF_INET, SECCOMP_RET_ALLOW}, {EQUAL, AF_INET6, SECCOMP_RET_ALLOW}},
         0},
        {__NR_socketpair, 0, 1, {{EQUAL, AF_UNIX, SECCOMP_RET_ALLOW}}, DENY(EAFNOSUPPORT)},
        {__NR_clone, 0, 1, {{BITS, NAMESPACE_FLAGS, DENY(EPERM)}}, SECCOMP_RET_ALLOW},
        {__NR_unshare, 0, 1, {{BITS, NAMESPACE_FLAGS | TIME_NAMESPACE_FLAG, DENY(EPERM)}}, SECCOMP_RET_ALLOW},
        {__NR_ioctl, 1, 2,
         {{EQUAL, TIOCSTI_COMMAND, DENY(EPERM)}, {EQUAL, TIOCLINUX_COMMAND, DENY(EPERM)}},
         SECCOMP_RET_ALLOW},
        {__NR_personality, 0, 3,
         {{EQUAL, 0, SECCOMP_RET_ALLOW}, {EQUAL, 0xffffffffu, SECCOMP_RET_ALLOW}, {EQUAL, 0x0040000u, SECCOMP_RET_ALLOW}},
         DENY(EPERM)},
    };
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        unsigned jump = p->length;
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)judged[i].call);
        load(p, ARGUMENT(judged[i].argument));
        for (unsigned r = 0; r < judged[i].rules; r++) {
            if (judged[i].rule[r].test == EQUAL)
                give_when_equal(p, judged[i].rule[r].value, judged[i].rule[r].verdict);
            else
                give_when_any_bit(p, judged[i].rule[r].value, judged[i].rule[r].verdict);
        }
        if (judged[i].call == __NR_socket) { /* netlink, but only to ask about routes and addresses */
            emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, AF_NETLINK);
            load(p, ARGUMENT(2));
            give_when_equal(p, 0, SECCOMP_RET_ALLOW);
            give(p, DENY(EAFNOSUPPORT));
        } else {
            give(p, judged[i].otherwise);
        }
        p->code[jump].jf = (uint8_t)(p->length - jump - 1);
    }
}

/* ---- the plain list, as a search tree ----
 *
 * When a filter is installed the kernel runs it once for every call there is, to learn which are always allowed. A list
 * of comparisons made that a third of a millisecond per sandbox; a tree over the ranges of numbers costs nothing. */

#define RANGES_MAX 192

/* A range lasts from its first number to the next range's. */
static struct range {
    uint32_t first;
    uint32_t verdict; /* 0: not here; judge it further on */
} ranges[RANGES_MAX];
static unsigned range_count;

static int by_number(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static void add_range(uint32_t first, uint32_t verdict)
{
    if (range_count && ranges[range_count - 1].first == first)
        range_count--;
    if (range_count && ranges[range_count - 1].verdict == verdict)
        return;
    if (range_count == RANGES_MAX)
        abort();
    ranges[range_count++] = (struct range){first, verdict};
}

static void collect_ranges(void)
{
    static uint16_t sorted[sizeof allowed / sizeof *allowed];
    memcpy(sorted, allowed, sizeof allowed);
    qsort(sorted, sizeof sorted / sizeof *sorted, sizeof *sorted, by_number);
    add_range(0, 0);
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++) {
        add_range(sorted[i], SECCOMP_RET_ALLOW);
        add_range(sorted[i] + 1u, 0);
    }
}

/* Conditional jumps reach 255 instructions, plain ones everywhere. */
static void search(struct program *p, unsigned from, unsigned to)
{
    if (to - from == 1) {
        if (ranges[from].verdict)
            give(p, ranges[from].verdict);
        else
            emit(p, BPF_JMP | BPF_JA, 0, 0, UINT32_MAX); /* its target is set when the tree is whole */
        return;
    }
    unsigned middle = from + (to - from) / 2;
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, ranges[middle].first); /* not less: jump over the left branch */
    unsigned jump = p->length;
    emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    search(p, from, middle);
    p->code[jump].k = p->length - jump - 1;
    search(p, middle, to);
}

static void build(struct program *p)
{
    p->length = 0;
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
    give(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000u); /* x32 */
    give(p, SECCOMP_RET_KILL_PROCESS);
    collect_ranges();
    unsigned tree = p->length;
    search(p, 0, range_count);
    for (unsigned i = tree; i < p->length; i++)
        if (p->code[i].code == (BPF_JMP | BPF_JA) && p->code[i].k == UINT32_MAX)
            p->code[i].k = p->length - i - 1;
    judge_arguments(p);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        give_when_equal(p, unknown[i], DENY(ENOSYS));
    emit(p, BPF_JMP | BPF_JGT | BPF_K, 0, 1, NEWEST_KNOWN_CALL);
    give(p, DENY(ENOSYS));
    give(p, DENY(EPERM));
}

_Static_assert(3 * RANGES_MAX + 128 <= 1024, "the program must fit");

static struct program filter;

void seccomp_prepare(void)
{
    range_count = 0;
    build(&filter);
}

int seccomp_install(void)
{
    struct sock_fprog program = {filter.length, filter.code};
    return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
