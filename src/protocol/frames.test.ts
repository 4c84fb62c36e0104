import assert from 'node:assert/strict'
import test from 'node:test'
import {
  encodeFrame,
  encodeU32Frame,
  FROM_INIT,
  Frame,
  FrameReader,
  frameHead,
  MAX_FRAME_PAYLOAD,
  ProtocolError,
  TO_INIT,
} from './frames.ts'

interface Seen {
  readonly type: number
  readonly payload: Buffer
}

function readAll(chunks: readonly Buffer[], bounds = FROM_INIT): Seen[] {
  const seen: Seen[] = []
  const reader = new FrameReader(bounds, (type, payload) => seen.push({ type, payload }))
  for (const chunk of chunks) reader.push(chunk)
  return seen
}

/** A small generator of repeatable noise (xorshift), so that a failure can be run again. */
function noise(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

function cut(bytes: Buffer, random: () => number): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + (random() % (random() % 4 === 0 ? 70_000 : 12))
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

test('frames come out the same however the stream is cut', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = noise(seed * 7919)
    const sent: Seen[] = []
    for (let i = 0; i < 30; i++) {
      const size = random() % (i % 10 === 0 ? MAX_FRAME_PAYLOAD + 1 : 40)
      const payload = Buffer.alloc(size, random() & 0xff)
      sent.push({ type: random() % 2 === 0 ? Frame.stdout : Frame.stderr, payload })
    }
    const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame.type, frame.payload)))
    assert.deepEqual(readAll(cut(bytes, random)), sent, `seed ${seed}`)
  }
})

test('garbage ends in a protocol error or is waited for, and never delivers a frame out of bounds', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const random = noise(seed * 104_729)
    const bytes = Buffer.from(
      Array.from({ length: 1 + (random() % 200) }, () => random() & (seed % 3 === 0 ? 0x2f : 0xff)),
    )
    try {
      for (const frame of readAll(cut(bytes, random))) {
        const [min, max] = FROM_INIT.get(frame.type) ?? [1, 0]
        assert.ok(frame.payload.length >= min && frame.payload.length <= max)
      }
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error))
    }
  }
})

test('a length is refused before anything is kept for it', () => {
  const head = Buffer.from([0xff, 0xff, 0xff, 0xff, Frame.stdout])
  assert.throws(() => readAll([head]), ProtocolError)
  assert.throws(() => readAll([head.subarray(0, 3), head.subarray(3)]), ProtocolError)
})

test('a frame of fixed size is refused at any other size', () => {
  assert.throws(() => readAll([encodeFrame(Frame.exit, Buffer.alloc(3))]), ProtocolError)
  assert.throws(() => readAll([encodeFrame(Frame.exit, Buffer.alloc(5))]), ProtocolError)
  assert.throws(() => readAll([encodeFrame(Frame.incoming, Buffer.alloc(22))]), ProtocolError)
})

test('what only the host may send is refused from the sandbox, and the other way round', () => {
  assert.throws(() => readAll([encodeU32Frame(Frame.signal, 9)]), ProtocolError)
  assert.throws(() => readAll([encodeU32Frame(Frame.exit, 0)], TO_INIT), ProtocolError)
})

test('a payload that lies whole in a chunk is not copied', () => {
  const chunk = encodeFrame(Frame.stdout, Buffer.from('hello'))
  const [frame] = readAll([chunk])
  assert.equal(frame?.payload.buffer, chunk.buffer)
})

test('after stop nothing more is delivered, also from the same chunk', () => {
  let frames = 0
  const reader = new FrameReader(FROM_INIT, () => {
    frames++
    reader.stop()
  })
  reader.push(Buffer.concat([encodeU32Frame(Frame.exit, 0), encodeU32Frame(Frame.exit, 0)]))
  reader.push(encodeU32Frame(Frame.exit, 0))
  assert.equal(frames, 1)
})

test('the reader knows whether the stream was cut inside a frame', () => {
  const reader = new FrameReader(FROM_INIT, () => {})
  const frame = encodeFrame(Frame.stdout, Buffer.from('abc'))
  assert.ok(reader.atBoundary)
  reader.push(frame.subarray(0, 2))
  assert.ok(!reader.atBoundary)
  reader.push(frame.subarray(2, 6))
  assert.ok(!reader.atBoundary)
  reader.push(frame.subarray(6))
  assert.ok(reader.atBoundary)
})

test('a payload larger than a frame cannot be encoded', () => {
  assert.throws(() => frameHead(Frame.stdin, MAX_FRAME_PAYLOAD + 1), RangeError)
})
