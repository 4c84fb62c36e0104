/** Garbage on the init protocol: from inside, through whatever descriptors a program has, and from the host's side. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { assertRefused, attack } from '../support/abuse.ts'
import { eventually, within } from '../support/eventually.ts'
import { chosenSeed, seeded } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('a program has three descriptors and no way to init’s own', async () => {
  const list =
    'import os\nfor fd in sorted(int(n) for n in os.listdir("/proc/self/fd")):\n  try: print(fd, os.readlink(f"/proc/self/fd/{fd}").split(":")[0])\n  except OSError: pass'
  const python = await admin.execute({ language: 'python', code: list })
  assert.match(python.stdout, /^0 (\/dev\/null|pipe)\n1 (pipe|socket)\n2 (pipe|socket)\n$/, python.stdout)
  const shell = await admin.execute({ language: 'bash', code: 'ls -l /proc/self/fd | tail -n +2 | wc -l' })
  assert.ok(Number(shell.stdout) <= 4, shell.stdout)
  const node = await admin.execute({
    language: 'javascript',
    code: `import fs from 'node:fs';
for (const fd of fs.readdirSync('/proc/self/fd')) { try { console.log(fd, fs.readlinkSync('/proc/self/fd/' + fd)); } catch {} }`,
  })
  for (const line of node.stdout.trim().split('\n')) {
    const [fd = '', target = ''] = line.split(' ')
    if (Number(fd) <= 2) continue
    assert.match(
      target,
      /^(anon_inode:\[(eventpoll|eventfd|timerfd|signalfd)\]|pipe:|\/proc\/\d+\/fd|\/dev\/null|\/dev\/u?random)/,
      `descriptor ${line} in:\n${node.stdout}`,
    )
  }
})

test('writing frames into every descriptor, standard output included, is only output', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import os, struct, sys
exit_frame = struct.pack("<IBI", 5, 0x22, 0)
for fd in range(0, 64):
    for frame in (exit_frame, b"\\xff" * 64, b"\\0" * 64, struct.pack("<IB", 0xffffffff, 0x20)):
        try: os.write(fd, frame)
        except OSError: pass
sys.exit(9)`,
  })
  assert.deepEqual([result.status, result.exitCode], ['failed', 9])
})

test('init’s sockets cannot be found or dialled from inside', async () => {
  const verdicts = await attack(
    admin,
    `
import glob
paths = [line.split()[-1] for line in open("/proc/net/unix").read().split("\\n")[1:] if "/" in line or "@" in line]
print("paths", "OK" if not paths else repr(paths))
for fd in range(3, 12):
    attempt(f"fd{fd}", lambda: os.readlink(f"/proc/1/fd/{fd}"))
    attempt(f"getfd{fd}", lambda: call(438, call(434, 1, 0)[0], fd, 0))
`,
  )
  assert.equal(verdicts.get('paths'), 'OK')
  const rest = new Map([...verdicts].filter(([what]) => what !== 'paths'))
  assertRefused(rest, ['EACCES', 'EPERM', 'ENOSYS', 'EBADF', 'ENOENT'], 18)
})

function socketPaths(): string[] {
  const run = join(server.dataDir, 'run')
  return readdirSync(run, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Sends bytes to a sandbox's control socket and waits for init to hang up, or for `patienceMs`. */
function poke(path: string, bytes: Buffer, patienceMs: number): Promise<'closed' | 'open'> {
  return new Promise((resolve) => {
    const socket = net.connect(path)
    const done = (outcome: 'closed' | 'open'): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    const timer = setTimeout(() => done('open'), patienceMs)
    socket.on('error', () => done('closed'))
    socket.on('close', () => done('closed'))
    socket.on('data', () => {})
    socket.write(bytes)
  })
}

function badFrames(seed: number): Buffer[] {
  const random = seeded(seed)
  const frame = (type: number, payload: Buffer, length = payload.length): Buffer => {
    const head = Buffer.alloc(5)
    head.writeUInt32LE(length >>> 0, 0)
    head.writeUInt8(type, 4)
    return Buffer.concat([head, payload])
  }
  const fixed = [
    frame(0xff, Buffer.alloc(4)),
    frame(0x01, Buffer.alloc(0), 0xffffffff),
    frame(0x01, Buffer.alloc(70_000)),
    frame(0x01, Buffer.from([1, 255, 255, 255, 255])),
    frame(0x10, Buffer.from('stdin before anything')),
    frame(0x22, Buffer.alloc(4)),
    frame(0x03, Buffer.from('tcp:99999')),
    frame(0x05, Buffer.alloc(4, 255)),
    frame(0x01, Buffer.from([4, 4, 0, 0, 0, 0, 0, 0, 0])),
  ]
  const random1 = Array.from({ length: 60 }, () => random.bytes(random.int(1, 400)))
  const random2 = Array.from({ length: 60 }, () =>
    frame(random.int(0, 0x30), random.bytes(random.int(0, 200))),
  )
  return [...fixed, ...random1, ...random2]
}

test('garbage from the host’s side never upsets init: the run beside it goes on and ends as it should', async (t) => {
  const seed = chosenSeed()
  t.diagnostic(`seed ${seed}`)
  const before = new Set(socketPaths())
  const pending = admin.execute({ language: 'bash', code: 'sleep 6; echo survived', timeoutMs: 30_000 })
  await eventually(() => socketPaths().length > 0, { withinMs: 5000, what: 'a control socket' })
  const target = socketPaths().find((path) => !before.has(path)) ?? socketPaths()[0] ?? ''
  let hungUp = 0
  for (const bytes of badFrames(seed)) {
    if ((await poke(target, bytes, 30)) === 'closed') hungUp++
  }
  t.diagnostic(`init hung up on ${hungUp} of them`)
  assert.ok(hungUp > 5, 'init closes connections that make no sense')
  const result = await within(pending, 30_000, 'the answer of the run beside')
  assert.ok(result.stdout === 'survived\n' || result.status === 'killed', `${result.status} ${result.stdout}`)
  assert.equal((await admin.execute({ language: 'bash', code: 'echo alive' })).stdout, 'alive\n')
})

test('a control socket is for root of the host only', async () => {
  const pending = admin.execute({ language: 'bash', code: 'sleep 2' })
  await eventually(() => socketPaths().length > 0, { withinMs: 5000, what: 'a control socket' })
  const [path = ''] = socketPaths()
  const asNobody = await new Promise<string>((resolve) => {
    import('node:child_process').then(({ execFile }) => {
      const script = `import socket\ntry:\n  socket.socket(socket.AF_UNIX).connect(${JSON.stringify(path)}); print("connected")\nexcept OSError as e: print(e.errno)`
      execFile('/usr/bin/python3', ['-c', script], { uid: 65534, gid: 65534 }, (_error, stdout) =>
        resolve(stdout),
      )
    })
  })
  assert.equal(asNobody, '13\n')
  await pending
})
