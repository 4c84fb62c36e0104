import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import { InitPeer, type PeerConnection } from '../../../test/support/init-peer.ts'
import { Frame } from '../../protocol/frames.ts'
import type { EgressConnection } from '../driver.ts'
import { NativeEgressChannel } from './egress.ts'

const soon = { withinMs: 3000, everyMs: 2 }

function incoming(connection: number, family = 4): Buffer {
  const payload = Buffer.alloc(23)
  payload.writeUInt32LE(connection, 0)
  payload[4] = family
  payload.set([1, 2, 3, 4], 5)
  payload.writeUInt16LE(443, 21)
  return payload
}

async function open(t: { after(action: () => Promise<void>): void }): Promise<{
  peer: InitPeer
  channel: NativeEgressChannel
  inside: PeerConnection
  asked: EgressConnection[]
}> {
  const peer = await InitPeer.start(t)
  const channel = new NativeEgressChannel(peer)
  const asked: EgressConnection[] = []
  channel.onConnection((connection) => asked.push(connection))
  const inside = await peer.connection()
  await inside.next(Frame.listen)
  return { peer, channel, inside, asked }
}

test('a connection is accepted on a connection of its own, by its number', async (t) => {
  const { peer, inside, asked } = await open(t)
  inside.send(Frame.incoming, incoming(77))
  const connection = await eventually(() => asked[0], { ...soon, what: 'the connection' })
  assert.deepEqual([connection.address, connection.family, connection.port], ['1.2.3.4', 4, 443])
  const stream = connection.accept()
  assert.throws(() => connection.accept(), /decided already/)
  const accepted = await peer.connection(1)
  assert.equal((await accepted.next(Frame.accept)).readUInt32LE(0), 77)
  accepted.send(Frame.stdout, 'hello')
  accepted.send(Frame.stdout)
  accepted.exit(0)
  assert.equal(Buffer.concat(await stream.toArray()).toString(), 'hello')
})

test('a refused or forgotten connection is taken and let go at once', async (t) => {
  const { peer, inside, asked } = await open(t)
  inside.send(Frame.incoming, incoming(1))
  inside.send(Frame.incoming, incoming(2))
  await eventually(() => asked.length === 2, { ...soon, what: 'both' })
  asked[0]?.refuse()
  asked[0]?.refuse()
  const refused = await peer.connection(1)
  assert.equal((await refused.next(Frame.accept)).readUInt32LE(0), 1)
  await eventually(() => refused.closed, { ...soon, what: 'the close' })
  await peer.clock.advance(60_000)
  assert.equal((await (await peer.connection(2)).next(Frame.accept)).readUInt32LE(0), 2)
  assert.equal(peer.clock.waiting, 0)
})

test('more connections than anybody decides about are refused unseen', async (t) => {
  const { peer, inside, asked } = await open(t)
  for (let i = 0; i < 260; i++) inside.send(Frame.incoming, incoming(i))
  await eventually(() => peer.connections.length === 1 + 4, { ...soon, what: 'four refusals' })
  assert.equal(asked.length, 256)
})

test('a number announced twice and a strange family are protocol errors', async (t) => {
  const twice = await open(t)
  for (let i = 0; i < 2; i++) twice.inside.send(Frame.incoming, incoming(9))
  await eventually(() => twice.peer.failures.length === 1, { ...soon, what: 'the failure' })
  const strange = await open(t)
  strange.inside.send(Frame.incoming, incoming(9, 5))
  await eventually(() => strange.peer.failures.length === 1, { ...soon, what: 'the failure' })
})

test('a question is answered once, under its own token, and not beyond what a datagram holds', async (t) => {
  const { channel, inside } = await open(t)
  const replies: ((answer: Uint8Array) => void)[] = []
  channel.onDns((question, reply) => {
    assert.equal(question.toString(), 'who is it')
    replies.push(reply)
  })
  for (const token of [1, 2]) {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(token)
    inside.send(Frame.datagram, Buffer.concat([head, Buffer.from('who is it')]))
  }
  await eventually(() => replies.length === 2, { ...soon, what: 'both questions' })
  replies[0]?.(Buffer.alloc(5000))
  replies[1]?.(Buffer.from('me'))
  replies[1]?.(Buffer.from('again'))
  const answer = await inside.next(Frame.datagram)
  assert.deepEqual([answer.readUInt32LE(0), answer.toString('utf8', 4)], [2, 'me'])
  assert.equal(inside.frames.filter((frame) => frame.type === Frame.datagram).length, 1)
})

test('questions nobody answers are bounded', async (t) => {
  const { channel, inside, peer, asked: connections } = await open(t)
  let asked = 0
  channel.onDns(() => asked++)
  for (let i = 0; i < 300; i++) inside.send(Frame.datagram, Buffer.alloc(20, i))
  inside.send(Frame.incoming, incoming(1))
  await eventually(() => connections.length === 1, { ...soon, what: 'all of them' })
  assert.equal(asked, 256)
  await peer.clock.advance(60_000)
  inside.send(Frame.datagram, Buffer.alloc(20))
  await eventually(() => asked === 257, { ...soon, what: 'room again' })
})

test('a flood is read in bursts, not as fast as it comes', async (t) => {
  const { channel, inside, peer } = await open(t)
  let asked = 0
  channel.onDns((_, reply) => {
    asked++
    reply(Buffer.from('no'))
  })
  for (let i = 0; i < 40_000; i++) inside.send(Frame.datagram, Buffer.alloc(40))
  await eventually(() => asked >= 512, { ...soon, what: 'one burst' })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const first = asked
  assert.ok(first < 8000, `${first} read in one burst`)
  await peer.clock.advance(250)
  await eventually(() => asked > first, { ...soon, what: 'the next burst' })
})

test('the end of the channel refuses what waits and is told', async (t) => {
  const { peer, channel, inside } = await open(t)
  inside.send(Frame.incoming, incoming(3))
  await eventually(() => peer.clock.waiting === 2, { ...soon, what: 'it waits' })
  channel.close()
  await channel.closed
  await (await peer.connection(1)).next(Frame.accept)
  assert.equal(peer.clock.waiting, 0)
})
