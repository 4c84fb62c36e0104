import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import { InitPeer } from '../../../test/support/init-peer.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { encodeU32Frame, Frame } from '../../protocol/frames.ts'
import { InitConnection, type Operation } from './init-connection.ts'

class Noted implements Operation {
  readonly frames: number[] = []
  lostWhy: string | undefined

  frame(type: number): void {
    this.frames.push(type)
  }

  lost(why: string): void {
    assert.equal(this.lostWhy, undefined, 'lost is told once')
    this.lostWhy = why
  }
}

const soon = { withinMs: 3000, everyMs: 2 }

test('frames reach the operation, and what it sends arrives in order', async (t) => {
  const peer = await InitPeer.start(t)
  const connection = peer.connect()
  const operation = new Noted()
  connection.begin(operation)
  connection.send(encodeU32Frame(Frame.signal, 15))
  connection.sendPayload(Frame.stdin, Buffer.alloc(60_000, 7))
  connection.sendPayload(Frame.stdin, Buffer.from('x'))
  const inside = await peer.connection()
  await eventually(() => inside.frames.length === 3, { ...soon, what: 'three frames' })
  assert.deepEqual(
    inside.frames.map((frame) => frame.payload.length),
    [4, 60_000, 1],
  )
  inside.started()
  inside.exit(0)
  await eventually(() => operation.frames.length === 2, { ...soon, what: 'two frames' })
  connection.close()
  await eventually(() => inside.closed, { ...soon, what: 'the close' })
  assert.equal(operation.lostWhy, undefined)
})

test('a connection that breaks says so once; one lost before it was used says so when it is', async (t) => {
  const peer = await InitPeer.start(t)
  const used = peer.connect()
  const spare = peer.connect()
  const first = new Noted()
  used.begin(first)
  ;(await peer.connection(0)).hangUp()
  ;(await peer.connection(1)).hangUp()
  await eventually(() => first.lostWhy, { ...soon, what: 'the first hears' })
  await eventually(() => !spare.usable, { ...soon, what: 'the spare is lost' })
  const second = new Noted()
  spare.begin(second)
  await eventually(() => second.lostWhy, { ...soon, what: 'the second hears' })
  const nowhere = new Noted()
  new InitConnection('/nowhere/at/all', { protocolError: assert.fail, gone: () => {} }).begin(nowhere)
  await eventually(() => nowhere.lostWhy, { ...soon, what: 'the third hears' })
  assert.deepEqual(peer.failures, [])
})

test('garbage is a protocol error, told once, whatever it is', async (t) => {
  const peer = await InitPeer.start(t)
  for (let seed = 1; seed <= 40; seed++) {
    const operation = new Noted()
    const connection = peer.connect()
    connection.begin(operation)
    const inside = await peer.connection(seed - 1)
    // A length beyond the bound makes sure that it is an error and not a frame to wait for.
    const bytes = seeded(seed).bytes(40)
    bytes[3] = 0xff
    inside.raw(bytes)
    await eventually(() => operation.lostWhy, { ...soon, what: `seed ${seed}` })
    assert.equal(peer.failures.length, seed)
    assert.equal(connection.usable, false)
  }
  assert.ok(peer.failures.every((failure) => failure.cause === 'protocol_error'))
})

test('a frame before there is an operation is a protocol error', async (t) => {
  const peer = await InitPeer.start(t)
  const connection = peer.connect()
  ;(await peer.connection()).started()
  await eventually(() => peer.failures.length === 1, { ...soon, what: 'the failure' })
  assert.equal(connection.usable, false)
})

test('an init that stops reading does not make the host keep everything', async (t) => {
  const peer = await InitPeer.start(t)
  const connection = peer.connect()
  connection.begin(new Noted())
  ;(await peer.connection()).pause()
  for (let i = 0; i < 100 && peer.failures.length === 0; i++)
    connection.sendPayload(Frame.stdin, Buffer.alloc(65_536))
  assert.match(peer.failures[0]?.detail ?? '', /stopped reading/)
})

test('a sandbox that is over is over for its operations, although init holds on', async (t) => {
  const peer = await InitPeer.start(t)
  const connection = peer.connect()
  const operation = new Noted()
  connection.begin(operation)
  await peer.connection()
  assert.equal(peer.open.size, 1)
  connection.giveUp('it was destroyed')
  assert.equal(operation.lostWhy, 'it was destroyed')
  connection.giveUp('again')
  connection.close()
  assert.equal(peer.open.size, 0)
})

test('a last frame arrives although the connection is closed behind it', async (t) => {
  const peer = await InitPeer.start(t)
  peer.connect().sendLast(encodeU32Frame(Frame.accept, 5))
  const inside = await peer.connection()
  assert.equal((await inside.next(Frame.accept)).readUInt32LE(0), 5)
  await eventually(() => inside.closed, { ...soon, what: 'the close' })
})
