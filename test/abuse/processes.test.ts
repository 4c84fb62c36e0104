/** Seeing, signalling, tracing and impersonating other processes. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { assertRefused, attack } from '../support/abuse.ts'
import { processesBelow } from '../support/host-state.ts'
import { programFile } from '../support/programs.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('only the sandbox’s own few processes are visible', async () => {
  const neighbour = admin.execute({ language: 'bash', code: 'exec -a neighbour-process sleep 2' })
  const result = await admin.execute({
    language: 'bash',
    code: 'sleep 0.4; ls -d /proc/[0-9]* | wc -l; for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done; ps aux 2>/dev/null | wc -l',
  })
  await neighbour
  const [count] = result.stdout.split('\n')
  assert.ok(Number(count) <= 6, result.stdout)
  assert.doesNotMatch(result.stdout, /neighbour|launcher|serve/)
})

test('signals reach no process of the host, of a neighbour, or init', async () => {
  const neighbour = admin.execute({ language: 'bash', code: 'sleep 2; echo unharmed' })
  const hostPids = [
    server.pid,
    process.pid,
    ...processesBelow(server.pid)
      .slice(0, 4)
      .map((entry) => entry.pid),
  ]
  const verdicts = await attack(
    admin,
    `
for pid in ${JSON.stringify(hostPids)}:
    if pid > 400: attempt(f"kill:{pid}", lambda: os.kill(pid, 9))
for sig in (9, 15, 19, 11): attempt(f"init:{sig}", lambda: os.kill(1, sig))
syscall("tgkill", 234, 1, 1, 9)
syscall("tkill", 200, 1, 9)
syscall("sigqueue", 129, 1, 9, 0)
syscall("pidfd_send", 424, -1, 9, 0, 0)
syscall("pidfd_open", 434, ${server.pid}, 0)
syscall("setpgid", 109, 1, 0)
syscall("setpriority", 141, 0, 1, -20)
syscall("sched_init", 144, 1, 0, b"\\0" * 8)
syscall("rlimit_init", 302, 1, 7, b"\\0" * 16, 0)
`,
  )
  assertRefused(verdicts, ['EPERM', 'ESRCH', 'EBADF', 'ENOSYS', 'EINVAL', 'EACCES', 'EFAULT'], 13)
  assert.equal((await neighbour).stdout, 'unharmed\n')
})

test('kill(-1) ends only the caller’s own sandbox', async () => {
  const neighbour = admin.execute({
    language: 'python',
    code: 'import time\ntime.sleep(2)\nprint("unharmed")',
  })
  const suicide = await admin.execute({
    language: 'python',
    code: 'import os\nos.kill(-1, 9)\nprint("still here")',
  })
  assert.ok(['succeeded', 'failed'].includes(suicide.status), suicide.status)
  assert.equal((await neighbour).stdout, 'unharmed\n')
})

test('init and the runtime cannot be traced, read, written or have their descriptors taken', async () => {
  const verdicts = await attack(
    admin,
    `
buffer = ctypes.create_string_buffer(64)
class iovec(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
local = iovec(ctypes.addressof(buffer), 8); remote = iovec(0x400000, 8)
for pid in (1, os.getppid()):
    if pid == 0: continue
    syscall(f"attach:{pid}", 101, 16, pid, 0, 0)
    syscall(f"seize:{pid}", 101, 0x4206, pid, 0, 0)
    syscall(f"vm_readv:{pid}", 310, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    syscall(f"vm_writev:{pid}", 311, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    syscall(f"kcmp:{pid}", 312, pid, os.getpid(), 0, 0, 0)
    attempt(f"mem:{pid}", lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR))
    attempt(f"fds:{pid}", lambda: os.listdir(f"/proc/{pid}/fd"))
    attempt(f"environ:{pid}", lambda: os.open(f"/proc/{pid}/environ", os.O_RDONLY))
    def take():
        fd, code = call(434, pid, 0)
        if fd == -1: return fd, code
        return call(438, fd, 3, 0)
    attempt(f"getfd:{pid}", take)
    attempt(f"ns:{pid}", lambda: os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))
`,
  )
  assertRefused(verdicts, ['EPERM', 'EACCES', 'ENOSYS', 'ESRCH'], 10)
})

test('tracing one’s own child, which debuggers need, never lifts the child’s filter', async () => {
  const verdicts = await attack(
    admin,
    `
child = os.fork()
if child == 0:
    time.sleep(5); os._exit(0)
syscall("seize-suspended", 101, 0x4206, child, 0, 1 << 21)
call(101, 16, child, 0, 0); os.waitpid(child, 0)
syscall("suspend-seccomp", 101, 0x4200, child, 0, 1 << 21)
syscall("read-filter", 101, 0x420c, child, 0, 0)
os.kill(child, 9)
`,
  )
  assertRefused(verdicts, ['EPERM', 'ENOSYS', 'EACCES'], 3)
})

test('a program cannot become part of init’s session or adopt its terminal', async () => {
  const verdicts = await attack(
    admin,
    `
import fcntl, termios
syscall("setns-self", 308, os.open("/proc/self/ns/net", 0), 0)
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("nice", lambda: os.nice(-5))
attempt("rt", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("prctl-subreaper-of-init", lambda: call(157, 0x59616d61, -1, 0, 0, 0))
syscall("reboot", 169, 0xfee1dead, 672274793, 0x1234567, 0)
syscall("vhangup", 153)
syscall("acct", 163, b"/tmp/acct")
syscall("sethostname", 170, b"evil", 4)
syscall("setdomainname", 171, b"evil", 4)
syscall("settimeofday", 164, b"\\0" * 16, 0)
syscall("clock_settime", 227, 0, b"\\0" * 16)
syscall("adjtimex-set", 159, struct.pack("I", 1) + b"\\0" * 204)
`,
  )
  assertRefused(verdicts, ['EPERM', 'ENOSYS', 'EINVAL'], 13)
})

test('no memory of the host or of a neighbour is reachable through shared objects', async () => {
  const files = programFile('ipc')
  const left = admin.execute({ command: ['sh', '-c', './ipc leave; sleep 2'], files })
  const looked = await admin.execute({
    command: ['sh', '-c', 'sleep 0.5; ./ipc look; ls /dev/shm | wc -l'],
    files,
  })
  await left
  assert.equal(looked.stdout, 'shm 0 sem 0 msg 0 mq 0 abstract 0\n0\n')
})
