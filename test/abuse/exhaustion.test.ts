/** Taking everything: processes, memory, disk, inodes, descriptors, watches, output. The neighbour keeps its share. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { attack, prelude } from '../support/abuse.ts'
import type { ExecutionResult } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { memAvailableBytes, processesBelow, residentBytes } from '../support/host-state.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

const neighbourCode = `
import os, time, threading, subprocess
worst = 0
for round in range(12):
    begun = time.monotonic()
    open("/tmp/n", "w").write("x" * 100000); os.remove("/tmp/n")
    assert subprocess.run(["true"]).returncode == 0
    t = threading.Thread(target=lambda: None); t.start(); t.join()
    bytearray(16 << 20)
    worst = max(worst, time.monotonic() - begun)
    time.sleep(0.1)
print("kept its share", worst < 1.5)`

/** Runs the attack with an honest neighbour beside it, and new executions meanwhile. */
async function besideNeighbour(request: object): Promise<ExecutionResult> {
  const neighbour = admin.execute({ language: 'python', code: neighbourCode, timeoutMs: 30_000 })
  const hostile = admin.execute(request)
  const fresh = await admin.execute({ language: 'bash', code: 'echo fresh' })
  assert.equal(fresh.stdout, 'fresh\n')
  const { status, stdout, stderr } = await neighbour
  assert.deepEqual([status, stdout], ['succeeded', 'kept its share True\n'], stderr)
  return hostile
}

async function assertSmallAgain(): Promise<void> {
  await eventually(() => processesBelow(server.pid).length < 60, {
    withinMs: 15_000,
    what: 'the attack’s processes to be gone',
  })
}

test('a fork bomb meets its process limit and ends with its sandbox', async () => {
  const bombs = [
    { language: 'bash', code: ':(){ :|:& };:; wait', timeoutMs: 2500 },
    {
      language: 'python',
      code: 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
      timeoutMs: 2500,
    },
  ]
  for (const bomb of bombs) {
    const result = await besideNeighbour(bomb)
    assert.ok(['timeout', 'failed', 'succeeded'].includes(result.status), result.status)
    await assertSmallAgain()
  }
})

test('a thread bomb counts as processes', async () => {
  const verdicts = await attack(
    admin,
    `
import threading
made = 0
try:
    for _ in range(5000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start(); made += 1
except RuntimeError: pass
print("threads", made < 130, flush=True)
os._exit(0)`,
  )
  assert.equal(verdicts.get('threads'), 'True')
})

test('memory bombs of many kinds end as oom or with an error, and the host keeps its memory', async () => {
  const before = memAvailableBytes()
  const bombs: Record<string, string> = {
    anonymous: 'x = []\nwhile True: x.append(b"a" * (4 << 20))',
    forked:
      'import os\nx = b"a" * (40 << 20)\nfor _ in range(60):\n  if os.fork() == 0:\n    y = bytearray(b"b" * (40 << 20))\n    import time; time.sleep(20)\nimport time; time.sleep(8)',
    shared:
      'import mmap\nx = []\nwhile True:\n  m = mmap.mmap(-1, 8 << 20); m.write(b"a" * (8 << 20)); x.append(m)',
    tmpfs: 'for n in range(10000): open(f"/dev/shm/{n}", "wb").write(b"a" * (1 << 20))',
    memfd:
      'import os\nfds = []\nwhile True:\n  f = os.memfd_create("x"); os.write(f, b"a" * (8 << 20)); fds.append(f)',
    pipes:
      'import os, fcntl\nk = []\nwhile True:\n  r, w = os.pipe(); k.append((r, w))\n  try: fcntl.fcntl(w, 1031, 1 << 20)\n  except OSError: pass\n  os.set_blocking(w, False); os.write(w, b"a" * (1 << 20))',
    sockets:
      'import socket\nk = []\nwhile True:\n  a, b = socket.socketpair(); a.setblocking(False); k.append((a, b))\n  try:\n    while True: a.send(b"a" * 65536)\n  except BlockingIOError: pass',
  }
  for (const [kind, code] of Object.entries(bombs)) {
    const result = await admin.execute({
      language: 'python',
      code,
      timeoutMs: 12_000,
      resources: { memoryMb: 64, diskMb: 64 },
    })
    // the children of `forked` are killed, their parent is not, and ends as it likes
    const ends = kind === 'forked' ? ['succeeded', 'oom', 'timeout'] : ['oom', 'failed', 'timeout']
    assert.ok(ends.includes(result.status), `${kind}: ${result.status}`)
    assert.ok(result.peakMemoryBytes <= 72 << 20, `${kind} peaked at ${result.peakMemoryBytes}`)
  }
  await assertSmallAgain()
  assert.ok(
    before - memAvailableBytes() < 256 << 20,
    `the host lost ${(before - memAvailableBytes()) >> 20} MiB`,
  )
})

test('a memory bomb does not disturb its neighbour', async () => {
  const result = await besideNeighbour({
    language: 'python',
    code: 'x = []\nwhile True: x.append(b"a" * (4 << 20))',
    resources: { memoryMb: 128 },
  })
  assert.equal(result.status, 'oom')
})

test('the disk and its inodes end at the quota, and the neighbour can still write', async () => {
  const result = await besideNeighbour({
    language: 'python',
    code: `
import errno
def fill(path):
    n = 0
    try:
        while True: open(f"{path}/{n}", "wb").write(b"a" * (1 << 20)); n += 1
    except OSError as e: return errno.errorcode[e.errno]
def inodes(path):
    n = 0
    try:
        while n < 5_000_000: open(f"{path}/i{n}", "w").close(); n += 1
    except OSError as e: return errno.errorcode[e.errno]
print(inodes("/tmp"))
import os
for f in os.scandir("/tmp"): os.remove(f.path)
print(fill("/workspace"), fill("/tmp"), fill("/dev/shm"), fill("/var/tmp"))`,
    resources: { diskMb: 32, memoryMb: 512 },
    timeoutMs: 30_000,
  })
  assert.equal(result.stdout, 'ENOSPC\nENOSPC ENOSPC ENOSPC ENOSPC\n', result.stderr + result.status)
})

test('inotify instances and watches, descriptors and other counted objects run out for the hog only', async () => {
  const hog = admin.execute({
    language: 'python',
    code: `
import ctypes, os, time, errno, socket, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def until_error(action, limit=200000):
    n = 0
    while n < limit:
        if action(n) < 0: return n, errno.errorcode[ctypes.get_errno()]
        n += 1
    return n, "none"
print("inotify", until_error(lambda n: libc.inotify_init1(0)))
print("fds", until_error(lambda n: libc.dup(1)))
import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)
time.sleep(3)`,
    timeoutMs: 20_000,
  })
  const verdicts = await attack(
    admin,
    `
time.sleep(1.5)
attempt("inotify", lambda: [libc.inotify_init1(0) for _ in range(16)] if libc.inotify_init1(0) >= 0 else (-1, ctypes.get_errno()))
attempt("files", lambda: [os.open("/etc/passwd", 0) for _ in range(100)] and "opened")
attempt("epoll", lambda: libc.epoll_create1(0))
attempt("timer", lambda: libc.timerfd_create(1, 0))
`,
  )
  for (const [what, verdict] of verdicts)
    assert.match(verdict, /^DONE/, `${what} of the neighbour: ${verdict}`)
  assert.ok(!(verdicts.get('inotify') ?? '').includes('-1'), verdicts.get('inotify'))
  const result = await hog
  assert.match(
    result.stdout,
    /inotify \(\d+, '(EMFILE|ENOSPC)'\)\nfds \(\d+, 'EMFILE'\)/,
    result.stdout + result.stderr,
  )
})

test('timers, semaphores, message queues and locked memory are bounded, by a count or by the memory limit', async () => {
  const grabs = {
    timers: 'libc.timer_create(1, 0, ctypes.byref(ctypes.c_void_p()))',
    semaphores: 'libc.semget(0, 250, 0o1600)',
    messages: 'libc.msgget(0, 0o1600)',
    mlock: 'call(149, ctypes.addressof(ctypes.create_string_buffer(200 << 20)), 200 << 20)[0]',
  }
  for (const [what, grab] of Object.entries(grabs)) {
    const result = await admin.execute({
      language: 'python',
      code: `${prelude}\nfor n in range(300000):\n  if ${grab} < 0: print("bounded at", n); break\nelse: print("reached the end")`,
      resources: { memoryMb: 256 },
      timeoutMs: 30_000,
    })
    const bounded = result.status === 'oom' || result.stdout.startsWith('bounded at')
    assert.ok(bounded, `${what}: ${result.status} ${result.stdout}`)
    assert.ok(result.peakMemoryBytes <= 264 << 20, `${what} peaked at ${result.peakMemoryBytes}`)
  }
})

test('an output flood is cut at the cap, on both streams, and does not swell the server', async () => {
  const before = residentBytes(server.pid)
  const flood = await besideNeighbour({
    language: 'python',
    code: `
import sys, os, threading
def flood(fd):
    block = b"f" * 65536
    while True: os.write(fd, block)
threading.Thread(target=flood, args=(2,), daemon=True).start()
flood(1)`,
    timeoutMs: 4000,
  })
  assert.equal(flood.status, 'timeout')
  assert.ok(flood.truncated.stdout || flood.stdout.length < 64 << 20)
  assert.ok(flood.stdout.length <= 64 << 20 && flood.stderr.length <= 64 << 20)
  await eventually(() => residentBytes(server.pid) - before < 500 << 20, {
    withinMs: 10_000,
    what: 'a server that is not swollen',
  })
})

test('an endless line, terminal escapes and NUL bytes in the output come back as they are', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import sys\nsys.stdout.write("\\0\\x1b[2J\\x1b]0;title\\x07" + "n" * 3000000)',
  })
  assert.equal(result.stdout.length, 3_000_000 + 15)
})

test('a zombie army is bounded by the process limit and reaped with the sandbox', async () => {
  const result = await besideNeighbour({
    language: 'python',
    code: `
import os, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0: os._exit(0)
        made += 1
except OSError: pass
print(made < 130)

time.sleep(1)`,
  })
  assert.equal(result.stdout, 'True\n', result.stderr)
  await eventually(() => processesBelow(server.pid).every((entry) => entry.state !== 'Z'), {
    withinMs: 10_000,
    what: 'no zombies',
  })
})

test('orphaned zombies are reaped by init, so a long run does not fill up', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import os
for _ in range(600):
    child = os.fork()
    if child == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print("never full")`,
    resources: { pids: 32 },
    timeoutMs: 30_000,
  })
  assert.equal(result.stdout, 'never full\n', result.stderr)
})

test('busy CPUs are shared: a neighbour under eight spinning sandboxes still answers in time', async () => {
  const spinners = Array.from({ length: 8 }, () =>
    admin.execute({ language: 'python', code: 'while True: pass', timeoutMs: 4000 }),
  )
  const started = performance.now()
  const result = await admin.execute({ language: 'python', code: 'print(sum(range(100000)))' })
  assert.equal(result.stdout, '4999950000\n')
  assert.ok(performance.now() - started < 3000, `took ${performance.now() - started} ms`)
  for (const spinner of await Promise.all(spinners)) assert.equal(spinner.status, 'timeout')
})
