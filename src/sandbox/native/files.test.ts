import assert from 'node:assert/strict'
import test from 'node:test'
import { InitPeer } from '../../../test/support/init-peer.ts'
import { isClocheError } from '../../model/errors.ts'
import { encodeFileHead, FileRecordReader } from '../../protocol/files.ts'
import { Frame, MAX_FRAME_PAYLOAD } from '../../protocol/frames.ts'
import { readFiles, writeFiles } from './files.ts'

test('files are sent as records, small ones sharing frames, and their end is awaited', async (t) => {
  const peer = await InitPeer.start(t)
  const entries = [
    { path: 'a', mode: 0o644, content: Buffer.from('one') },
    { path: 'b', mode: 0o755, content: Buffer.alloc(100_000, 1) },
    { path: 'c', mode: 0o600, content: Buffer.alloc(0) },
  ]
  const writing = writeFiles(peer, entries)
  const inside = await peer.connection()
  await inside.next(Frame.exec)
  inside.started()
  while (inside.frames.at(-1)?.payload.length !== 0) await new Promise((resolve) => setImmediate(resolve))
  const reader = new FileRecordReader(1 << 20)
  const stdin = inside.frames.filter((frame) => frame.type === Frame.stdin)
  for (const frame of stdin) reader.push(frame.payload)
  assert.deepEqual(reader.finish(), entries)
  assert.ok(stdin.every((frame) => frame.payload.length <= MAX_FRAME_PAYLOAD) && stdin.length <= 6)
  inside.exit(0)
  await writing
})

test('a helper that complains is a refusal with its words, bounded', async (t) => {
  const peer = await InitPeer.start(t)
  const writing = writeFiles(peer, [{ path: '/etc/x', mode: 0o644, content: Buffer.alloc(1) }])
  const inside = await peer.connection()
  inside.started()
  inside.send(Frame.stderr, `files-in: /etc/x: EACCES${' '.repeat(10)}${'y'.repeat(50_000)}`)
  inside.exit(1 << 8)
  await assert.rejects(
    writing,
    (error) =>
      isClocheError(error, 'files_refused') && /EACCES/.test(error.detail) && error.detail.length < 3000,
  )
})

test('an answer beyond the limit ends the helper, not the sandbox', async (t) => {
  const peer = await InitPeer.start(t)
  const reading = readFiles(peer, ['x'], 100)
  const inside = await peer.connection()
  inside.started()
  inside.send(Frame.stdout, encodeFileHead('x', 0o644, 101))
  assert.equal((await inside.next(Frame.signal)).readUInt32LE(0), 9)
  inside.exit(9)
  await assert.rejects(reading, (error) => isClocheError(error, 'output_limit_exceeded'))
  assert.deepEqual(peer.failures, [])
})

test('an answer that is no records ends the sandbox', async (t) => {
  for (const nonsense of [Buffer.alloc(64, 0xff), Buffer.from([1, 0, 0, 0])]) {
    const peer = await InitPeer.start(t)
    const reading = readFiles(peer, ['x'], 100)
    const inside = await peer.connection()
    inside.started()
    inside.send(Frame.stdout, nonsense)
    inside.exit(0)
    await assert.rejects(reading, /lost/)
    assert.equal(peer.failures[0]?.cause, 'protocol_error')
  }
})

test('paths that cannot be sent are refused before anything is, and nothing to do is nothing done', async (t) => {
  const peer = await InitPeer.start(t)
  await assert.rejects(readFiles(peer, ['a\0b'], 100), (error) => isClocheError(error, 'invalid_request'))
  await assert.rejects(writeFiles(peer, [{ path: '', mode: 0, content: Buffer.alloc(0) }]), (error) =>
    isClocheError(error, 'invalid_request'),
  )
  await writeFiles(peer, [])
  assert.deepEqual(await readFiles(peer, [], 1), [])
  assert.equal(peer.connections.length, 0)
})
