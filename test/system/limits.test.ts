/** Time, memory, output, disk and process limits: enforced by the kernel, reported as what they are. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { expectError } from '../support/client.ts'
import { programFile } from '../support/programs.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('a timeout ends the run on time and keeps what was printed', async () => {
  const loops = {
    python:
      'import sys\nprint("before", flush=True)\nprint("err", file=sys.stderr, flush=True)\nwhile True: pass',
    javascript: 'console.log("before"); console.error("err"); for (;;) {}',
    bash: 'echo before; echo err >&2; while :; do :; done',
  }
  for (const [language, code] of Object.entries(loops)) {
    const started = performance.now()
    const result = await admin.execute({ language, code, timeoutMs: 700 })
    const tookMs = performance.now() - started
    assert.deepEqual(
      [result.status, result.stdout, result.stderr],
      ['timeout', 'before\n', 'err\n'],
      language,
    )
    assert.equal(result.exitCode, null)
    assert.equal(result.signal, 'SIGKILL')
    assert.ok(tookMs >= 690 && tookMs < 3500, `${language} took ${tookMs} ms`)
  }
})

test('loops inside C code, which no interpreter can interrupt, are ended as well', async () => {
  const loops = [
    { language: 'python', code: 'import re\nre.match(r"(a+)+$", "a" * 64 + "b")' },
    { language: 'python', code: 'sum(range(10**12))' },
    { language: 'javascript', code: '/(a+)+$/.test("a".repeat(64) + "b")' },
    { command: ['./spin'], files: programFile('spin') },
  ]
  for (const request of loops) {
    const started = performance.now()
    const result = await admin.execute({ ...request, timeoutMs: 500 })
    assert.equal(result.status, 'timeout', JSON.stringify(request).slice(0, 80))
    assert.ok(performance.now() - started < 3500)
  }
})

test('sleeping counts as time, and the whole process tree goes with the run', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'sleep 100 & sleep 100 & wait',
    timeoutMs: 400,
  })
  assert.equal(result.status, 'timeout')
  assert.ok(result.durationMs >= 390 && result.durationMs < 3000, `${result.durationMs}`)
})

test('a run over its memory is reported as oom, with what it printed', async () => {
  const hogs = {
    python: 'print("start", flush=True)\nx = []\nwhile True: x.append(bytearray(8 << 20))',
    javascript: 'console.log("start"); const x = []; for (;;) x.push(Buffer.alloc(8 << 20, 1))',
    bash: `echo start; python3 -c 'x = b"a" * (1 << 30)'`,
  }
  for (const [language, code] of Object.entries(hogs)) {
    const result = await admin.execute({ language, code, resources: { memoryMb: 96 }, timeoutMs: 30_000 })
    assert.equal(result.status, 'oom', `${language}: ${JSON.stringify(result).slice(0, 600)}`)
    assert.equal(result.stdout, 'start\n')
    assert.ok(result.peakMemoryBytes <= 100 * 1024 * 1024, `${result.peakMemoryBytes}`)
  }
})

test('the memory limit is what the program can see and use', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'x = b"a" * (150 << 20)\nprint(len(x))',
    resources: { memoryMb: 256 },
  })
  assert.equal(result.stdout, `${150 << 20}\n`, JSON.stringify(result))
  assert.ok(result.peakMemoryBytes > 150 << 20)
})

test('a CPU limit is kept: half a core does about half the work of a whole one', async () => {
  const code =
    'import time\nend = time.time() + 1.0\nn = 0\nwhile time.time() < end: n += 1\nprint(time.process_time())'
  const half = await admin.execute({ language: 'python', code, resources: { cpuCores: 0.25 } })
  const used = Number(half.stdout)
  assert.ok(used > 0.1 && used < 0.5, `a quarter of a core used ${used} s of CPU in 1 s`)
  assert.ok(
    half.cpuTimeMs >= used * 900 && half.cpuTimeMs < used * 1000 + 400,
    `accounted ${half.cpuTimeMs} ms`,
  )
})

test('output beyond the cap is cut there, said so, and the run goes on', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import sys\nfor _ in range(80): sys.stdout.write("x" * (1 << 20))\nsys.stderr.write("finished")',
    timeoutMs: 60_000,
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  assert.equal(result.stderr, 'finished')
  assert.equal(result.truncated.stdout, true)
  assert.equal(result.truncated.stderr, false)
  assert.ok(result.stdout.length <= 64 * 1024 * 1024)
  assert.match(result.stdout.slice(0, 1000), /^x+$/)
})

test('disk and process limits answer the program with the kernel’s own errors', async () => {
  const disk = await admin.execute({
    language: 'python',
    code: `
import errno
try:
    with open("big", "wb") as f:
        for _ in range(64): f.write(b"x" * (1 << 20))
    print("wrote all")
except OSError as e:
    print(errno.errorcode[e.errno])`,
    resources: { diskMb: 16 },
  })
  assert.equal(disk.stdout, 'ENOSPC\n', disk.stderr)
  const pids = await admin.execute({
    language: 'python',
    code: `
import os, errno, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(30); os._exit(0)
        count += 1
except OSError as e:
    print(errno.errorcode[e.errno], count < 32)`,
    resources: { pids: 32 },
  })
  assert.equal(pids.stdout, 'EAGAIN True\n', pids.stderr)
})

test('limits out of range are refused with the range', async () => {
  const refused = [
    { timeoutMs: 0 },
    { timeoutMs: -1 },
    { timeoutMs: 1e12 },
    { resources: { memoryMb: 0 } },
    { resources: { memoryMb: 1e9 } },
    { resources: { cpuCores: -1 } },
    { resources: { pids: 1e9 } },
    { resources: { diskMb: 1e9 } },
  ]
  for (const part of refused) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', ...part },
    })
    expectError(reply, 400)
  }
})
