import assert from 'node:assert/strict'
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import test from 'node:test'
import { systemClock } from '../std/clock.ts'
import { Bandwidth } from './bandwidth.ts'
import { relay } from './relay.ts'

const ample = (): Bandwidth => new Bandwidth(1e9, systemClock)

test('each side reads what the other wrote, and an end is passed on while the other way goes on', async () => {
  const [program, inside] = duplexPair()
  const [host, outside] = duplexPair()
  const done = relay(inside, outside, ample(), systemClock)
  program.end('question')
  assert.equal(await text(host), 'question')
  host.end('answer')
  assert.equal(await text(program), 'answer')
  assert.equal(await done, 14)
})

test('a side that breaks takes the other with it', async () => {
  const [, inside] = duplexPair()
  const [, outside] = duplexPair()
  outside.on('error', () => {})
  const done = relay(inside, outside, ample(), systemClock)
  inside.destroy(new Error('reset'))
  await Promise.all([once(outside, 'close'), done])
})

test('a slow reader holds up its writer instead of filling memory', async () => {
  const [program, inside] = duplexPair()
  const [host, outside] = duplexPair()
  void relay(inside, outside, ample(), systemClock)
  let written = 0
  while (written < 50 << 20 && program.write(Buffer.alloc(65_536))) {
    written += 65_536
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(written < 2 << 20, `${written} bytes went in while nobody read`)
  host.destroy()
})
