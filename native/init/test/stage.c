/*
 * The stage init's tests play on: `stage INIT SOCKET ROOT [worker=PROGRAM] [egress]`. New pid, mount, network and IPC
 * namespaces, a small root of the machine's own programs and fresh writable places, the capabilities a sandbox leaves
 * its init, and the descriptors the init protocol promises. Says "ready PID" when init serves, "exit STATUS" when it
 * has ended; ends init when its own standard input ends. It is no sandbox: there is no filter and no user namespace, so
 * nothing untrusted belongs in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EGRESS_PORT = 999 };

static const char *root;

static void check(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "stage: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static const char *under_root(const char *path)
{
    static char full[4096];
    snprintf(full, sizeof full, "%s%s", root, path);
    return full;
}

static void make_directory(const char *path, mode_t mode)
{
    check(mkdir(under_root(path), 0755), path);
    check(chmod(under_root(path), mode), path);
}

static void make_device(const char *path, unsigned major, unsigned minor)
{
    check(mknod(under_root(path), S_IFCHR | 0666, makedev(major, minor)), path);
    check(chmod(under_root(path), 0666), path);
}

static void make_link(const char *target, const char *path)
{
    check(symlink(target, under_root(path)), path);
}

static void bind_program(const char *program, const char *place)
{
    int fd = open(under_root(place), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    check(fd, place);
    close(fd);
    check(mount(program, under_root(place), NULL, MS_BIND, NULL), place);
}

static void build_root(const char *init, const char *worker)
{
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
    check(mount("stage", root, "tmpfs", 0, "mode=0755,size=1g"), "root");
    static const char *const plain[] = {"/usr",        "/etc", "/proc", "/dev",       "/dev/pts",
                                        "/dev/mqueue", "/var", "/opt",  "/opt/cloche"};
    static const char *const open_to_all[] = {"/workspace", "/tmp", "/var/tmp", "/dev/shm"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        make_directory(plain[i], 0755);
    for (size_t i = 0; i < sizeof open_to_all / sizeof *open_to_all; i++)
        make_directory(open_to_all[i], 01777);
    make_link("usr/bin", "/bin");
    make_link("usr/sbin", "/sbin");
    make_link("usr/lib", "/lib");
    make_link("usr/lib64", "/lib64");
    make_link("pts/ptmx", "/dev/ptmx");
    make_link("/proc/self/fd", "/dev/fd");
    make_link("/proc/self/fd/0", "/dev/stdin");
    make_link("/proc/self/fd/1", "/dev/stdout");
    make_link("/proc/self/fd/2", "/dev/stderr");
    make_device("/dev/null", 1, 3);
    make_device("/dev/zero", 1, 5);
    make_device("/dev/urandom", 1, 9);
    make_device("/dev/tty", 5, 0);
    check(mount("/usr", under_root("/usr"), NULL, MS_BIND | MS_REC, NULL), "usr");
    check(mount("/etc", under_root("/etc"), NULL, MS_BIND, NULL), "etc");
    check(mount("proc", under_root("/proc"), "proc", 0, NULL), "proc");
    check(mount("devpts", under_root("/dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666,mode=0620"), "devpts");
    check(mount("mqueue", under_root("/dev/mqueue"), "mqueue", 0, NULL), "mqueue");
    bind_program(init, "/opt/cloche/init");
    if (worker != NULL)
        bind_program(worker, "/opt/cloche/worker");
    check(chroot(root), "chroot");
    check(chdir("/"), "chdir");
}

static int open_network(int egress)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    check(ioctl(fd, SIOCSIFFLAGS, &loopback), "loopback");
    close(fd);
    int ports = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
    check(ports, "ports");
    check((int)write(ports, "0", 1), "ports");
    close(ports);
    if (!egress)
        return -1;
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(listener, (const struct sockaddr *)&any, sizeof any), "egress bind");
    check(listen(listener, 128), "egress listen");
    return listener;
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    check(bind(fd, (const struct sockaddr *)&address, sizeof address), path);
    check(listen(fd, 128), path);
    return fd;
}

static int start_worker(const char *worker, pid_t *pid)
{
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    *pid = fork();
    check(*pid, "fork");
    if (*pid == 0) {
        dup2(ends[1], 20);
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        execl("/opt/cloche/worker", worker, "20", NULL);
        _exit(127);
    }
    close(ends[1]);
    return ends[0];
}

static void keep_only_init_capabilities(void)
{
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (capability != CAP_SETUID && capability != CAP_SETGID && capability != CAP_KILL)
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static void play(char **argv, int listener, int sync, const char *worker, int egress)
{
    int fds[4] = {fcntl(listener, F_DUPFD_CLOEXEC, 40), fcntl(sync, F_DUPFD_CLOEXEC, 40), -1, -1};
    char worker_argument[32] = "", name[] = "init", listen_argument[] = "listen=3", sync_argument[] = "sync=4",
         egress_argument[] = "egress=6";
    char *arguments[6] = {name, listen_argument, sync_argument};
    int count = 3;
    build_root(argv[1], worker);
    int outside = open_network(egress);
    if (outside >= 0) {
        fds[3] = fcntl(outside, F_DUPFD_CLOEXEC, 40);
        arguments[count++] = egress_argument;
    }
    if (worker != NULL) {
        pid_t pid;
        fds[2] = fcntl(start_worker(worker, &pid), F_DUPFD_CLOEXEC, 40);
        snprintf(worker_argument, sizeof worker_argument, "worker=5:%d", (int)pid);
        arguments[count++] = worker_argument;
    }
    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0)
            dup2(fds[i], 3 + i);
        else
            close(3 + i);
    keep_only_init_capabilities();
    /* init must set right what it inherits: somebody's ignored signals, somebody's open descriptors. */
    signal(SIGINT, SIG_IGN);
    setenv("ASAN_OPTIONS", "detect_leaks=0:exitcode=99", 1);
    execv("/opt/cloche/init", arguments);
    check(-1, "exec init");
}

static void report_end(pid_t pid)
{
    int status;
    check(waitpid(pid, &status, 0), "wait");
    printf("exit %d\n", status);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    const char *worker = NULL;
    int egress = 0;
    for (int i = 4; i < argc; i++) {
        if (strncmp(argv[i], "worker=", 7) == 0)
            worker = argv[i] + 7;
        egress |= strcmp(argv[i], "egress") == 0;
    }
    root = argv[3];
    int listener = listen_on(argv[2]), sync[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync), "socketpair");
    check(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS), "unshare");
    pid_t pid = fork();
    check(pid, "fork");
    if (pid == 0)
        play(argv, listener, sync[1], worker, egress);
    close(sync[1]);
    close(listener);

    char byte = 0;
    if (read(sync[0], &byte, 1) != 1 || byte != 'R')
        report_end(pid);
    printf("ready %d\n", (int)pid);
    fflush(stdout);
    struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = (int)syscall(434, pid, 0), .events = POLLIN}};
    while (poll(ends, 2, -1) < 0 && errno == EINTR) {
    }
    kill(pid, SIGKILL);
    report_end(pid);
}
