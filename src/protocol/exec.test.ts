import assert from 'node:assert/strict'
import test from 'node:test'
import { ExecFieldError, ExecFlag, encodeExec, MAX_EXEC_BYTES } from './exec.ts'
import { Frame, FrameReader, TO_INIT } from './frames.ts'

interface Decoded {
  readonly types: number[]
  readonly fields: { tag: number; value: Buffer }[]
}

/** Reads what init would read: every frame holds whole fields. */
function decode(bytes: Buffer): Decoded {
  const types: number[] = []
  const fields: { tag: number; value: Buffer }[] = []
  const reader = new FrameReader(TO_INIT, (type, payload) => {
    types.push(type)
    let at = 0
    while (at < payload.length) {
      const size = payload.readUInt32LE(at + 1)
      fields.push({ tag: payload[at] ?? 0, value: payload.subarray(at + 5, at + 5 + size) })
      at += 5 + size
    }
    assert.equal(at, payload.length, 'a field straddles two frames')
  })
  reader.push(bytes)
  assert.ok(reader.atBoundary)
  return { types, fields }
}

function values(decoded: Decoded, tag: number): string[] {
  return decoded.fields.filter((field) => field.tag === tag).map((field) => field.value.toString())
}

test('a small exec is one frame with arguments and environment in order', () => {
  const decoded = decode(
    encodeExec({
      args: ['sh', '-c', 'écho "$1"', ''],
      env: { A: '1', B: 'x=y' },
      cwd: '/workspace',
      flags: ExecFlag.stdin | ExecFlag.pty,
      windowSize: { cols: 80, rows: 24 },
    }),
  )
  assert.deepEqual(decoded.types, [Frame.exec])
  assert.deepEqual(values(decoded, 1), ['sh', '-c', 'écho "$1"', ''])
  assert.deepEqual(values(decoded, 2), ['A=1', 'B=x=y'])
  assert.deepEqual(values(decoded, 3), ['/workspace'])
  assert.deepEqual(decoded.fields.find((field) => field.tag === 5)?.value.readUInt32LE(0), 3)
  assert.deepEqual([...(decoded.fields.find((field) => field.tag === 7)?.value ?? [])], [80, 0, 24, 0])
})

test('a large job travels in parts and arrives byte for byte', () => {
  const job = Buffer.alloc(700_001, 'abcdefg')
  const decoded = decode(encodeExec({ flags: ExecFlag.runtime, job }))
  assert.ok(decoded.types.length > 10)
  assert.ok(decoded.types.slice(0, -1).every((type) => type === Frame.execPart))
  assert.equal(decoded.types.at(-1), Frame.exec)
  const arrived = Buffer.concat(decoded.fields.filter((field) => field.tag === 8).map((field) => field.value))
  assert.ok(arrived.equals(job))
})

test('fields of any sizes fit the frames they are packed into', () => {
  for (let size = 1000; size < 65_531; size += 9973) {
    const args = Array.from({ length: Math.floor(1_000_000 / (size + 5)) }, () => 'x'.repeat(size))
    const decoded = decode(encodeExec({ args, flags: 0 }))
    assert.equal(values(decoded, 1).length, args.length)
  }
})

test('what init would refuse is refused before it is sent, with the reason', () => {
  assert.throws(() => encodeExec({ flags: 0, args: ['a\0b'] }), ExecFieldError)
  assert.throws(() => encodeExec({ flags: 0, env: { 'A=B': '1' } }), ExecFieldError)
  assert.throws(() => encodeExec({ flags: 0, env: { '': '1' } }), ExecFieldError)
  assert.throws(() => encodeExec({ flags: 0, args: ['x'.repeat(65_532)] }), /an argument takes 65532 bytes/)
  assert.throws(() => encodeExec({ flags: 0, job: Buffer.alloc(MAX_EXEC_BYTES) }), /more than 1048576/)
})
