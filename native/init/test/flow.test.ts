import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { mayRun, outcome, sanitized, stage } from './stage.ts'
import { execFields, Flag, Type } from './wire.ts'

const options = { skip: mayRun }
const window = 262_144

async function settled(read: () => number): Promise<number> {
  let last = -1
  while (read() !== last) {
    last = read()
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return last
}

test(
  'both output streams together stop at the window, and go on by exactly what is credited',
  options,
  async (t) => {
    const init = await stage(t)
    const wire = init.connect()
    wire.crediting = false
    wire.send(Type.exec, execFields({ args: ['sh', '-c', 'cat /dev/zero & cat /dev/zero >&2'] }))
    const total = () => wire.bytesOf(Type.stdout).length + wire.bytesOf(Type.stderr).length
    assert.equal(await settled(total), window)
    wire.credit(1000)
    assert.equal(await settled(total), window + 1000)
    wire.credit(window)
    assert.equal(await settled(total), 2 * window + 1000)
    assert.ok(
      wire.bytesOf(Type.stdout).length > 0 && wire.bytesOf(Type.stderr).length > 0,
      'neither is starved',
    )
  },
)

test('a hundred megabytes pass a slow reader whole, and init stays small', options, async (t) => {
  const init = await stage(t)
  const megabytes = sanitized ? 20 : 100
  const wire = init.connect()
  wire.crediting = false
  const script = `head -c ${megabytes}M /dev/urandom > /tmp/big; sha256sum < /tmp/big >&2; cat /tmp/big`
  wire.send(Type.exec, execFields({ args: ['sh', '-c', script] }))
  const hash = createHash('sha256')
  let largest = 0
  for (let bytes = 0; bytes < megabytes * 1_048_576; ) {
    await wire.until((each) => each.find(Type.stdout) !== undefined, 'output', 60_000)
    largest = Math.max(largest, await init.status('VmRSS'))
    const chunk = wire.take(Type.stdout)
    hash.update(chunk)
    bytes += chunk.length
    await new Promise((resolve) => setTimeout(resolve, 2))
    wire.credit(chunk.length)
  }
  const end = await outcome(wire)
  assert.equal(end.stderr.split(' ')[0], hash.digest('hex'))
  t.diagnostic(`largest VmRSS ${largest} KiB`)
  assert.ok(sanitized || largest < 1024, `init took ${largest} KiB`)
})

test('input beyond the window is a broken protocol; within it, it waits without loss', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['sh', '-c', 'read x; sha256sum'], flags: Flag.stdin })
  const bytes = Buffer.alloc(window - 2, 'abcdefg')
  wire.send(Type.stdin, Buffer.from('x'))
  for (let at = 0; at < bytes.length; at += 65_536) wire.send(Type.stdin, bytes.subarray(at, at + 65_536))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.ok(!wire.closed)
  const over = init.exec({ args: ['sleep', '1000'], flags: Flag.stdin })
  for (let i = 0; i < 6; i++) over.send(Type.stdin, Buffer.alloc(65_536))
  await over.over()
  assert.match(over.bytesOf(Type.error).toString('utf8', 4), /^EPROTO/)
  wire.close()
})

test('a stream of input is credited as the program takes it', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['sha256sum'], flags: Flag.stdin })
  const piece = Buffer.alloc(50_000, '0123456789')
  const hash = createHash('sha256')
  let sent = 0
  for (let i = 0; i < 400; i++) {
    const credited = () =>
      wire.frames
        .filter((f) => f.type === Type.creditStdin)
        .reduce((sum, f) => sum + f.payload.readUInt32LE(0), 0)
    await wire.until(() => sent + piece.length - credited() <= window, 'credit')
    wire.send(Type.stdin, piece)
    hash.update(piece)
    sent += piece.length
  }
  wire.send(Type.stdin)
  assert.equal((await outcome(wire)).stdout.split(' ')[0], hash.digest('hex'))
})

test('a program that closed its input does not hold up the host', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({
    args: ['sh', '-c', 'exec <&-; echo closed; sleep 0.5; exit 5'],
    flags: Flag.stdin,
  })
  await wire.next(Type.stdout)
  for (let i = 0; i < 20; i++) {
    const before = wire.frames.length
    wire.send(Type.stdin, Buffer.alloc(65_536))
    await wire.until((each) => each.frames.length > before, 'credit')
  }
  assert.equal((await outcome(wire)).status, 5 << 8)
})

test('a host that reads nothing at all holds up only its own operation', options, async (t) => {
  const init = await stage(t)
  const deaf = Array.from({ length: 8 }, () => {
    const wire = init.shell('cat /dev/zero')
    wire.socket.pause()
    return wire
  })
  const end = await init.run('echo quick')
  assert.equal(end.stdout, 'quick\n')
  for (const wire of deaf) wire.close()
})

test('output leaves at gigabytes a second', { skip: mayRun || sanitized }, async (t) => {
  const init = await stage(t)
  const started = process.hrtime.bigint()
  const wire = init.connect()
  wire.keeping = false
  wire.send(Type.exec, execFields({ args: ['head', '-c', '1G', '/dev/zero'] }))
  await wire.over(60_000)
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  t.diagnostic(`${(wire.output / seconds / 1e9).toFixed(2)} GB/s`)
  assert.equal(wire.output, 1 << 30)
})
