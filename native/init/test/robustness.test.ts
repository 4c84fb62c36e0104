import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, sanitized, stage } from './stage.ts'
import { execFields, Flag, field, frame, Type, u32, type Wire } from './wire.ts'

const options = { skip: mayRun }

/** Each breaks the protocol in its own way; init must close this connection and keep all others. */
const broken: Record<string, (wire: Wire) => void> = {
  'an oversize frame': (wire) => wire.raw(Buffer.concat([u32(65_537), Buffer.from([1]), Buffer.alloc(100)])),
  'the largest length there is': (wire) => wire.raw(Buffer.from([0xff, 0xff, 0xff, 0xff, 1])),
  'an unknown type': (wire) => wire.send(0x77),
  'a type zero': (wire) => wire.send(0),
  'input before an operation': (wire) => wire.send(Type.stdin, Buffer.from('x')),
  'a signal before an operation': (wire) => wire.send(Type.signal, u32(9)),
  'an answer of its own': (wire) => wire.send(Type.exit, u32(0)),
  'fields that are cut': (wire) => wire.send(Type.exec, field(1, 'true').subarray(0, 7)),
  'a field longer than all of them': (wire) =>
    wire.send(Type.exec, Buffer.concat([Buffer.from([1]), u32(0xffffffff)])),
  'an unknown field': (wire) => wire.send(Type.exec, Buffer.concat([field(1, 'true'), field(99, 'x')])),
  'an argument with a NUL': (wire) => wire.send(Type.exec, field(1, 'a\0b')),
  'a variable without a sign': (wire) =>
    wire.send(Type.exec, Buffer.concat([field(1, 'true'), field(2, 'A')])),
  'a user id of two bytes': (wire) => wire.send(Type.exec, Buffer.concat([field(1, 'true'), field(4, 'ab')])),
  'a limit of three bytes': (wire) =>
    wire.send(Type.exec, Buffer.concat([field(1, 'true'), field(6, 'abc')])),
  'too many fields': (wire) => {
    for (let i = 0; i < 18; i++) wire.send(Type.execPart, field(8, Buffer.alloc(65_000)))
  },
  'another verb after a part': (wire) => {
    wire.send(Type.execPart, field(1, 'true'))
    wire.send(Type.reset)
  },
  'a second verb': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
  },
  'more credit than the window': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.credit(0xffffffff)
  },
  'a credit of one byte': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.send(Type.credit, Buffer.alloc(1))
  },
  'a signal that does not exist': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.send(Type.signal, u32(65))
  },
  'a new size without a terminal': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.send(Type.resize, u32(1))
  },
  'input that nobody asked to stream': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'] }))
    wire.send(Type.stdin, Buffer.from('x'))
  },
  'input after its end': (wire) => {
    wire.send(Type.exec, execFields({ args: ['sleep', '100'], flags: Flag.stdin }))
    wire.send(Type.stdin)
    wire.send(Type.stdin, Buffer.from('x'))
  },
  'a port that is none': (wire) => wire.send(Type.dial, Buffer.from('tcp:70000')),
  'a target that is none': (wire) => wire.send(Type.dial, Buffer.from('http://x')),
  'a path too long': (wire) => wire.send(Type.dial, Buffer.from(`unix:/${'x'.repeat(200)}`)),
  'a listen with words': (wire) => wire.send(Type.listen, Buffer.from('x')),
  'a connection id of five bytes': (wire) => wire.send(Type.accept, Buffer.alloc(5)),
  'a reset with words': (wire) => wire.send(Type.reset, Buffer.from('x')),
}

test('every kind of broken frame ends its own connection and nothing else', options, async (t) => {
  const init = await stage(t, { worker: true, egress: true })
  const witness = init.exec({ args: ['cat'], flags: Flag.stdin })
  for (const [what, send] of Object.entries(broken)) {
    const wire = init.connect()
    send(wire)
    await wire.over().catch((cause) => assert.fail(`${what}: ${cause}`))
    assert.equal(wire.find(Type.exit), undefined, what)
    const before = witness.bytesOf(Type.stdout).length
    witness.send(Type.stdin, Buffer.from('ping'))
    await witness.until(
      (each) => each.bytesOf(Type.stdout).length === before + 4,
      `the witness after ${what}`,
    )
  }
  witness.send(Type.stdin)
  assert.equal((await outcome(witness)).status, 0)
  assert.equal(
    (await init.run('pgrep -x sleep | wc -l')).stdout,
    '0\n',
    'what a broken connection had started is gone',
  )
})

test('frames may be cut anywhere on their way', options, async (t) => {
  const init = await stage(t)
  const wire = init.connect()
  const bytes = Buffer.concat([
    frame(Type.execPart, field(1, 'sh')),
    frame(Type.exec, execFields({ args: ['-c', 'cat'], flags: Flag.stdin })),
    frame(Type.stdin, Buffer.from('piece by piece')),
    frame(Type.stdin),
  ])
  wire.socket.setNoDelay(true)
  for (const byte of bytes) {
    wire.raw(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal((await outcome(wire)).stdout, 'piece by piece')
})

test('connections that say nothing, half of something, or vanish are no burden', options, async (t) => {
  const init = await stage(t)
  const silent = Array.from({ length: 100 }, () => init.connect())
  for (const [i, wire] of silent.entries()) if (i % 2) wire.raw(Buffer.from([9, 0, 0]))
  assert.equal((await init.run('echo on')).stdout, 'on\n')
  for (const wire of silent) wire.close()
  assert.equal((await init.run('echo on')).stdout, 'on\n')
})

test('random bytes never end init', options, async (t) => {
  const init = await stage(t, { egress: true, worker: true })
  let seed = 12345
  const random = (below: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % below
  }
  for (let round = 0; round < (sanitized ? 200 : 500); round++) {
    const wire = init.connect()
    const types = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x26, random(256)]
    for (let i = 0; i < 4; i++) {
      const payload = Buffer.from(Array.from({ length: random(40) }, () => random(256)))
      const whole = random(3) === 0 ? execFields({ args: ['true'], flags: random(32) & ~4 }) : payload
      wire.send(types[random(types.length)] ?? 0, whole)
    }
    if (random(2)) await wire.until((each) => each.frames.length > 0, 'something', 30).catch(() => {})
    wire.close()
  }
  assert.equal((await init.run('echo alive')).stdout, 'alive\n')
})

test('user code cannot stop, kill, trace or read init', options, async (t) => {
  const init = await stage(t)
  const script = `
    for s in $(seq 1 64); do kill -$s 1 2>/dev/null; done
    kill -STOP -1 2>/dev/null
    cat /proc/1/environ /proc/1/maps 2>&1 | grep -v denied
    ls /proc/1/fd 2>/dev/null
    head -c 1 /proc/1/mem 2>/dev/null
    echo 1 > /proc/1/oom_score_adj
  `
  const end = await init.run(script)
  assert.equal(end.stdout, '')
  const traced = await outcome(
    init.exec({
      args: [
        'python3',
        '-c',
        'import ctypes as c; l=c.CDLL(None,use_errno=True); print(l.ptrace(16,1,0,0), c.get_errno())',
      ],
    }),
  )
  assert.equal(traced.stdout, '-1 1\n')
})
