import assert from 'node:assert/strict'
import test from 'node:test'
import { FakeClock } from '../std/clock.ts'
import { Bandwidth } from './bandwidth.ts'

test('a second’s worth passes at once, what is beyond waits until it is made up for', async () => {
  const clock = new FakeClock()
  const bandwidth = new Bandwidth(1000, clock)
  assert.equal(bandwidth.spend(1000), 0)
  assert.equal(bandwidth.spend(500), 500)
  await clock.advance(500)
  assert.equal(bandwidth.spend(0), 0)
  await clock.advance(60_000)
  assert.equal(bandwidth.spend(1500), 500, 'no more than a second is saved up')
})
