/** The kernel's surface: what the filter must refuse, and what it must still allow ordinary programs. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { assertRefused, assertVerdicts, attack } from '../support/abuse.ts'
import { programFile } from '../support/programs.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('new user namespaces and every other namespace are refused, by clone, clone3, unshare and setns', async () => {
  const verdicts = await attack(
    admin,
    `
flags = {"user": 0x10000000, "mnt": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000, "uts": 0x4000000, "cgroup": 0x2000000, "time": 0x80}
for what, flag in flags.items():
    syscall("unshare:" + what, 272, flag)
    if what != "time":
        def clone():
            result, code = call(56, flag | 17, 0, 0, 0, 0)
            if result == 0: os._exit(0)
            return result, code
        attempt("clone:" + what, clone)
def clone3():
    arguments = struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
    result, code = call(435, arguments, len(arguments))
    if result == 0: os._exit(0)
    return result, code
attempt("clone3:user", clone3)
for what in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
    syscall("setns:" + what, 308, os.open("/proc/self/ns/" + what, os.O_RDONLY), 0)
`,
  )
  assert.equal(verdicts.get('clone3:user'), 'ENOSYS')
  assertRefused(verdicts, ['EPERM', 'ENOSYS'], 22)
})

test('io_uring and clone3 answer ENOSYS, so programs fall back', async () => {
  const verdicts = await attack(
    admin,
    `
syscall("io_uring_setup", 425, 8, b"\\0" * 120)
syscall("io_uring_enter", 426, 0, 0, 0, 0, 0, 0)
syscall("io_uring_register", 427, 0, 0, 0, 0)
syscall("clone3", 435, 0, 0)
`,
  )
  assert.equal(verdicts.get('io_uring_setup'), 'ENOSYS')
  assert.equal(verdicts.get('clone3'), 'ENOSYS')
  assertRefused(verdicts, ['ENOSYS', 'EPERM'], 4)
})

test('userfaultfd, bpf, perf, keyrings, kexec, modules and the rest of the dangerous calls are refused', async () => {
  const verdicts = await attack(
    admin,
    `
calls = {"userfaultfd": (323, 0), "userfaultfd-user": (323, 1), "bpf": (321, 0, b"\\0" * 72, 72), "perf_event_open": (298, b"\\0" * 112, 0, -1, -1, 0),
"add_key": (248, b"user", b"k", b"v", 1, -3), "request_key": (249, b"user", b"k", 0, 0), "keyctl-get": (250, 0, -3, 1), "keyctl-join": (250, 1, 0),
"kexec_load": (246, 0, 0, 0, 0), "kexec_file_load": (320, -1, -1, 0, 0, 0), "init_module": (175, b"x", 1, b""), "finit_module": (313, -1, b"", 0), "delete_module": (176, b"x", 0),
"iopl": (172, 3), "ioperm": (173, 0, 1, 1), "syslog": (103, 3, ctypes.create_string_buffer(64), 64), "lookup_dcookie": (212, 0, 0, 0), "nfsservctl": (180, 0, 0, 0),
"fanotify_init": (300, 0, 0), "fanotify_mark": (301, -1, 0, 0, 0, 0), "process_madvise": (440, -1, 0, 0, 0, 0), "move_pages": (279, 1, 0, 0, 0, 0, 0), "migrate_pages": (256, 1, 0, 0, 0),
"uselib": (134, b"x"), "ustat": (136, 0, 0), "sysfs": (139, 3), "_sysctl": (156, 0), "modify_ldt": (154, 0, 0, 0), "vmsplice-gift": (278, -1, 0, 0, 8),
"personality-exec": (135, 0x0400000), "memfd_secret": (447, 0), "landlock-restrict": (446, -1, 0), "seccomp-listener": (317, 1, 8, 0),
"kcmp": (312, 1, 1, 0, 0, 0), "pidfd_getfd": (438, -1, 0, 0), "open_by_handle_at": (304, -100, 0, 0), "quotactl_fd": (443, -1, 0, 0, 0),
"set_mempolicy_home_node": (450, 0, 0, 0, 0), "lsm_set_self_attr": (460, 0, 0, 0, 0), "pkey-nonsense-number": (999,)}
for what, arguments in calls.items():
    syscall(what, *arguments)
`,
  )
  const landlock = verdicts.get('landlock-restrict')
  assert.ok(['EPERM', 'ENOSYS', 'EBADFD', 'EBADF', 'EOPNOTSUPP'].includes(landlock ?? ''), landlock)
  const strict = new Map([...verdicts].filter(([what]) => what !== 'landlock-restrict'))
  assertRefused(strict, ['EPERM', 'ENOSYS', 'EACCES', 'EFAULT', 'EINVAL', 'EBADF'], 39)
  for (const what of [
    'userfaultfd',
    'bpf',
    'perf_event_open',
    'add_key',
    'keyctl-get',
    'kexec_load',
    'init_module',
  ]) {
    assert.ok(['EPERM', 'ENOSYS'].includes(verdicts.get(what) ?? ''), `${what}: ${verdicts.get(what)}`)
  }
})

test('system calls of a foreign architecture or of x32 end the program', async () => {
  for (const abi of ['i386', 'x32']) {
    const result = await admin.execute({ command: ['./foreign', abi], files: programFile('foreign') })
    assert.deepEqual([result.status, result.stdout, result.signal], ['failed', '', 'SIGSYS'], abi)
  }
})

test('sockets are only unix, IPv4, IPv6 and route netlink: no vsock, packet, raw, or exotic families', async () => {
  const verdicts = await attack(
    admin,
    `
for family in range(0, 46):
    if family in (1, 2, 10): continue
    for kind in (1, 2, 3, 5):
        if family == 16: continue
        attempt(f"family{family}/{kind}", lambda: call(41, family, kind, 0))
for protocol in range(1, 23): attempt(f"netlink{protocol}", lambda: call(41, 16, 3, protocol))
for protocol in (1, 6, 17, 255): attempt(f"raw{protocol}", lambda: call(41, 2, 3, protocol))
for protocol in (58, 255): attempt(f"raw6-{protocol}", lambda: call(41, 10, 3, protocol))
attempt("sctp", lambda: call(41, 2, 1, 132))
attempt("dccp", lambda: call(41, 2, 6, 33))
`,
  )
  assertRefused(verdicts, ['EPERM', 'EAFNOSUPPORT', 'EACCES', 'EPROTONOSUPPORT', 'ESOCKTNOSUPPORT'], 150)
  const fine = await attack(
    admin,
    `
for family, kind in ((socket.AF_UNIX, 1), (socket.AF_UNIX, 2), (socket.AF_INET, 1), (socket.AF_INET, 2), (socket.AF_INET6, 1)):
    attempt(f"fine{int(family)}/{kind}", lambda: socket.socket(family, kind) and "made")
attempt("route", lambda: socket.socket(16, 3, 0) and "made")
attempt("pair", lambda: socket.socketpair() and "made")
`,
  )
  for (const [what, verdict] of fine) assert.match(verdict, /^DONE/, what)
})

test('the hypervisor is unreachable: AF_VSOCK cannot even be created', async () => {
  const verdicts = await attack(
    admin,
    `
for kind in (1, 2, 5): attempt(f"vsock{kind}", lambda: socket.socket(40, kind) and "made")
attempt("dev", lambda: os.open("/dev/vsock", os.O_RDONLY))
`,
  )
  assertRefused(verdicts, ['EAFNOSUPPORT', 'EPERM', 'ENOENT', 'EACCES', 'ESOCKTNOSUPPORT'], 4)
})

test('terminal ioctls that type for others are refused, on a pty too', async () => {
  const code = `
import fcntl, termios, pty, array
master, slave = os.openpty()
high = 0x1_0000_0000
for what, number in (("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541c), ("TIOCSTI-high", 0x5412 | high), ("TIOCLINUX-high", 0x541c | high), ("TIOCCONS", 0x541d)):
    for target, fd in (("slave", slave), ("stdin", 0)):
        attempt(f"{what}:{target}", lambda: call(16, fd, number, b"x"))
`
  const verdicts = await attack(admin, code)
  assertRefused(verdicts, ['EPERM', 'ENOTTY', 'EACCES'], 10)
  assertVerdicts(verdicts, {
    'TIOCSTI:slave': 'EPERM',
    'TIOCLINUX:slave': 'EPERM',
    'TIOCSTI-high:slave': 'EPERM',
  })
})

test('ordinary programs are not in the filter’s way', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import os, mmap, select, threading, signal, tempfile, fcntl, ctypes, subprocess, socket, time
m = mmap.mmap(-1, 1 << 16); m.write(b"x"); m.madvise(mmap.MADV_DONTNEED)
e = select.epoll(); r, w = os.pipe2(os.O_CLOEXEC); e.register(r, select.EPOLLIN); os.write(w, b"1"); assert e.poll(1)
fd = os.memfd_create("x"); os.ftruncate(fd, 4096); os.posix_fallocate(fd, 0, 4096)
efd = os.eventfd(0); os.eventfd_write(efd, 3); assert os.eventfd_read(efd) == 3
with tempfile.NamedTemporaryFile() as f:
    fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)
    with open("cf", "w+b") as g: g.write(b"x" * 64); g.flush(); os.copy_file_range(g.fileno(), os.open("cg", os.O_CREAT | os.O_RDWR), 10, 0)
    os.sendfile(f.fileno(), os.open("/etc/passwd", 0), 0, 10)
signal.setitimer(signal.ITIMER_REAL, 0.01); signal.signal(signal.SIGALRM, lambda *a: None); time.sleep(0.02)
assert os.sched_getaffinity(0) and os.getrandom(8) and time.clock_gettime(time.CLOCK_BOOTTIME)
pid = os.fork()
if pid == 0: os.execv("/bin/true", ["true"])
fdp = os.pidfd_open(pid); assert os.waitid(os.P_PIDFD, fdp, os.WEXITED)
os.mkfifo("ff"); os.symlink("ff", "ln"); os.link("ff", "hl"); os.rename("ln", "ln2"); os.utime("ff"); os.chmod("ff", 0o600)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(334, 0, 0, 0, 0) == -1 and ctypes.get_errno() in (22, 38, 14, 1)
inotify = libc.inotify_init1(0); assert inotify >= 0 and libc.inotify_add_watch(inotify, b"/tmp", 0x100) >= 0
s = socket.socket(); s.bind(("127.0.0.1", 80)); s.listen(); c = socket.create_connection(s.getsockname()); c.setsockopt(6, 1, 1)
print("all fine")`,
  })
  assert.equal(result.stdout, 'all fine\n', result.stderr)
})

test('resource limits and the core pattern cannot be used to run anything on the host', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import resource, os
print(resource.getrlimit(resource.RLIMIT_CORE))
try: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)); print("raised")
except (ValueError, OSError): print("kept")
if os.fork() == 0: os.abort()
print(os.wait()[1] & 0x7f)`,
  })
  assert.match(result.stdout, /^\((0|1), (0|1)\)\nkept\n6\n$/, result.stdout + result.stderr)
})
