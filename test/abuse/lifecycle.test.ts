/** Outliving the run: ignoring signals, daemonising, stopping, hiding, and ending in odd ways. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { cgroupNameOf, processesBelow } from '../support/host-state.ts'
import { programFile } from '../support/programs.ts'
import { startServer } from '../support/server.ts'
import { assertBackTo, settledCounts } from '../support/soak.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

async function assertAllGone(named: string): Promise<void> {
  await eventually(() => processesBelow(server.pid).every((entry) => entry.name !== named), {
    withinMs: 8000,
    what: `no process named ${named}`,
  })
}

test('ignoring every signal that can be ignored does not postpone the end', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import signal, time\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nprint("deaf", flush=True)\nwhile True: time.sleep(1)',
    timeoutMs: 800,
  })
  assert.deepEqual([result.status, result.stdout], ['timeout', 'deaf\n'])
  assert.ok(result.durationMs < 3000, `${result.durationMs}`)
})

test('a daemonised grandchild neither delays the answer nor survives it', async () => {
  const started = performance.now()
  const result = await admin.execute({
    language: 'python',
    code: `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        for fd in range(3): os.close(fd)
        open("/proc/self/comm", "w").write("outliver")
        while True: time.sleep(10)
    os._exit(0)
os.wait()
time.sleep(0.1)
print("parent done")`,
  })
  assert.deepEqual([result.status, result.stdout], ['succeeded', 'parent done\n'])
  assert.ok(performance.now() - started < 4000)
  await assertAllGone('outliver')
})

test('a grandchild that keeps stdout open does not keep the caller waiting', async () => {
  const started = performance.now()
  const result = await admin.execute({ language: 'bash', code: '(exec -a holder sleep 60) & echo answered' })
  assert.equal(result.stdout, 'answered\n')
  assert.ok(performance.now() - started < 4000, `took ${performance.now() - started} ms`)
  await assertAllGone('holder')
})

test('stopped processes, processes that fork for ever and processes in many sessions are all ended', async () => {
  const code = `
import os, signal, time
for n in range(20):
    if os.fork() == 0:
        os.setsid()
        open("/proc/self/comm", "w").write("manyfold")
        if n % 3 == 0: os.kill(os.getpid(), signal.SIGSTOP)
        if n % 3 == 1:
            while True:
                if os.fork() != 0: os._exit(0)
        time.sleep(100)
time.sleep(100)`
  const result = await admin.execute({ language: 'python', code, timeoutMs: 1000 })
  assert.equal(result.status, 'timeout')
  await assertAllGone('manyfold')
})

test('a program that kills everything it can still gets a truthful answer', async () => {
  const result = await admin.execute({ language: 'bash', code: 'echo before; kill -9 -1; echo after' })
  assert.match(result.stdout, /^before\n/)
  assert.ok(['succeeded', 'failed'].includes(result.status))
  const segv = await admin.execute({
    language: 'python',
    code: 'import ctypes\nprint("x", flush=True)\nctypes.string_at(0)',
  })
  assert.deepEqual([segv.status, segv.signal, segv.stdout], ['failed', 'SIGSEGV', 'x\n'])
})

test('timing out in C, in the kernel, and in uninterruptible-looking waits', async () => {
  const waits = [
    { command: ['./spin'], files: programFile('spin') },
    { language: 'python', code: 'import os\nr, w = os.pipe()\nos.read(r, 1)' },
    { language: 'python', code: 'import ctypes\nctypes.CDLL(None).pause()' },
    { language: 'bash', code: 'mkfifo f; cat f' },
    {
      language: 'python',
      code: 'import fcntl, os\nf = open("l", "w"); fcntl.flock(f, fcntl.LOCK_EX)\nif os.fork() == 0: fcntl.flock(open("l"), fcntl.LOCK_EX)\nos.wait()',
    },
    {
      language: 'python',
      code: 'import os\nif os.posix_spawn("/bin/sleep", ["sleep", "100"], {}): os.wait()',
    },
  ]
  for (const request of waits) {
    const result = await admin.execute({ ...request, timeoutMs: 400 })
    assert.equal(result.status, 'timeout', JSON.stringify(request).slice(0, 100))
    assert.ok(result.durationMs < 2500, `${result.durationMs}`)
  }
})

test('vfork tricks, clone without a signal and raw exits end as ordinary processes', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0, 0x8000, 17 | 0x8000):
    pid = libc.syscall(56, flags, 0, 0, 0, 0)
    if pid == 0:
        os.setsid(); open("/proc/self/comm", "w").write("detached"); time.sleep(60); os._exit(0)
print("made")
libc.syscall(231, 0)`,
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  await assertAllGone('detached')
})

test('after all of it the machine holds what it held before', async () => {
  const cgroups = cgroupNameOf(server)
  const before = await settledCounts(server, cgroups)
  for (let n = 0; n < 20; n++) {
    await admin.execute({
      language: 'bash',
      code: '(setsid sleep 1000 &) ; (trap "" TERM; sleep 1000 &) ; exit 1',
    })
  }
  await assertBackTo(server, cgroups, before)
})

test('a hundred short runs of a program that dies at once do not disturb the next', async () => {
  const request = { command: ['sh', '-c', 'kill -SEGV $$'] }
  for (let batch = 0; batch < 10; batch++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => admin.execute(request)))
    for (const answer of answers) assert.equal(answer.signal, 'SIGSEGV')
  }
  assert.equal((await admin.execute({ language: 'bash', code: 'echo next' })).stdout, 'next\n')
})
