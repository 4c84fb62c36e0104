import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import { InitPeer, type PeerConnection } from '../../../test/support/init-peer.ts'
import { encodeFrame, encodeU32Frame, Frame, WINDOW_BYTES } from '../../protocol/frames.ts'
import { ByteStream } from './byte-stream.ts'

const soon = { withinMs: 3000, everyMs: 2 }

async function open(t: {
  after(action: () => Promise<void>): void
}): Promise<{ peer: InitPeer; stream: ByteStream; inside: PeerConnection }> {
  const peer = await InitPeer.start(t)
  const request = encodeFrame(Frame.dial, Buffer.from('tcp:80'))
  const stream = new ByteStream(peer, request, (reason) => new Error(`refused: ${reason}`))
  const inside = await peer.connection()
  await inside.next(Frame.dial)
  return { peer, stream, inside }
}

test('each direction ends by itself', async (t) => {
  const { stream, inside } = await open(t)
  stream.end('question')
  await eventually(() => inside.frames.at(-1)?.payload.length === 0, { ...soon, what: 'the end of ours' })
  assert.equal(inside.bytesOf(Frame.stdin), 8)
  inside.send(Frame.stdout, 'answer')
  inside.send(Frame.stdout)
  inside.exit(0)
  assert.equal(Buffer.concat(await stream.toArray()).toString(), 'answer')
})

test('bytes wait for credit, and nobody is told they went before they did', async (t) => {
  const { stream, inside } = await open(t)
  let done = false
  stream.write(Buffer.alloc(WINDOW_BYTES + 10), () => {
    done = true
  })
  await eventually(() => inside.bytesOf(Frame.stdin) === WINDOW_BYTES, { ...soon, what: 'one window' })
  assert.equal(done, false)
  inside.raw(encodeU32Frame(Frame.creditStdin, WINDOW_BYTES))
  await eventually(() => done, { ...soon, what: 'the rest' })
  stream.destroy()
})

test('who does not read gives no credit beyond what the stream itself holds', async (t) => {
  const { peer, stream, inside } = await open(t)
  for (let i = 0; i < 4; i++) inside.send(Frame.stdout, Buffer.alloc(65_536))
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(inside.bytesOf(Frame.credit), 0)
  stream.resume()
  await inside.next(Frame.credit)
  assert.deepEqual(peer.failures, [])
  stream.destroy()
})

test('a refusal, a lost connection and bytes after the end are errors of the stream', async (t) => {
  const refused = await open(t)
  refused.inside.send(Frame.error, Buffer.concat([Buffer.alloc(4), Buffer.from('ECONNREFUSED')]))
  await assert.rejects(refused.stream.toArray(), /refused: ECONNREFUSED/)

  const lost = await open(t)
  lost.inside.hangUp()
  await assert.rejects(lost.stream.toArray(), /lost/)

  const late = await open(t)
  late.stream.on('error', () => {})
  late.inside.send(Frame.stdout)
  late.inside.send(Frame.stdout, 'more')
  await eventually(() => late.peer.failures[0]?.cause === 'protocol_error', { ...soon, what: 'the failure' })
})

test('destroying the stream lets go of the connection', async (t) => {
  const { stream, inside } = await open(t)
  stream.destroy()
  await eventually(() => inside.closed, { ...soon, what: 'the close' })
})
