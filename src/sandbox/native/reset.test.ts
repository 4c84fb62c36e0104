import assert from 'node:assert/strict'
import test from 'node:test'
import { InitPeer } from '../../../test/support/init-peer.ts'
import { Frame } from '../../protocol/frames.ts'
import { RESET_DEADLINE_MS } from './operation-host.ts'
import { ResetOperation } from './reset.ts'

test('only a plain yes is a reset', async (t) => {
  const peer = await InitPeer.start(t)
  const operation = new ResetOperation(peer)
  const inside = await peer.connection()
  await inside.next(Frame.reset)
  inside.exit(0)
  await operation.done
  assert.deepEqual(peer.failures, [])
  assert.equal(peer.clock.waiting, 0)
})

test('a no, an error, silence and giving up end the sandbox', async (t) => {
  const controller = new AbortController()
  const cases: ((peer: InitPeer) => Promise<void>)[] = [
    async (peer) => (await peer.connection()).exit(1 << 8),
    async (peer) => (await peer.connection()).send(Frame.error, Buffer.from('\x05\0\0\0EBUSY: /tmp')),
    (peer) => peer.clock.advance(RESET_DEADLINE_MS),
    async () => controller.abort(),
  ]
  for (const act of cases) {
    const peer = await InitPeer.start(t)
    const operation = new ResetOperation(peer, controller.signal)
    const rejected = assert.rejects(operation.done, /lost/)
    await (await peer.connection()).next(Frame.reset)
    await act(peer)
    await rejected
    assert.equal(peer.failures[0]?.cause, 'unresponsive')
  }
})
