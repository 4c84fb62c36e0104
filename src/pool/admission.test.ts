import assert from 'node:assert/strict'
import test from 'node:test'
import { isClocheError } from '../model/errors.ts'
import { FakeClock } from '../std/clock.ts'
import { Admission } from './admission.ts'

function admission(over: Partial<{ maxSandboxes: number; queueLimit: number }> = {}): {
  clock: FakeClock
  admission: Admission
  wanted: () => number
} {
  const clock = new FakeClock()
  let wanted = 0
  const settings = { maxSandboxes: 1, queueLimit: 10, queueDeadlineMs: 5000, ...over }
  return { clock, admission: new Admission(settings, clock, () => wanted++), wanted: () => wanted }
}

test('places are given up to the maximum; the next waits and is let in when one leaves', async () => {
  const { admission: door, wanted } = admission({ maxSandboxes: 2 })
  await door.enter('a')
  await door.enter('a')
  let entered = false
  const third = door.enter('a').then(() => {
    entered = true
  })
  assert.equal(door.waiting, 1)
  assert.equal(wanted(), 1)
  await Promise.resolve()
  assert.equal(entered, false)
  door.leave()
  await third
  assert.equal(door.taken, 2)
})

test('what nobody waits for never passes one who waits', async () => {
  const { admission: door } = admission()
  await door.enter('a')
  const waiting = door.enter('a')
  door.leave()
  await waiting
  door.leave()
  assert.equal(door.tryEnter(), true)
  assert.equal(door.tryEnter(), false)
})

test('the queue is bounded, and says so', async () => {
  const { admission: door } = admission({ queueLimit: 1 })
  await door.enter('a')
  door.enter('a').catch(() => {})
  await assert.rejects(door.enter('b'), (error) => isClocheError(error, 'queue_full') && error.retryable)
})

test('waiting ends at the deadline, and the place in the queue is given up', async () => {
  const { admission: door, clock } = admission()
  await door.enter('a')
  const late = assert.rejects(door.enter('a'), (error) => isClocheError(error, 'queue_timeout'))
  await clock.advance(5000)
  await late
  assert.equal(door.waiting, 0)
  assert.equal(clock.waiting, 0)
})

test('one who aborts leaves the queue with the reason of the signal', async () => {
  const { admission: door, clock } = admission()
  await door.enter('a')
  const controller = new AbortController()
  const gone = assert.rejects(door.enter('a', controller.signal), /changed my mind/)
  controller.abort(new Error('changed my mind'))
  await gone
  assert.equal(door.waiting, 0)
  assert.equal(clock.waiting, 0)
})

test('short memory holds everybody but the very first, and lets them in when it is over', async () => {
  const { admission: door } = admission({ maxSandboxes: 10 })
  door.memoryShort = true
  await door.enter('a')
  const second = door.enter('a')
  assert.equal(door.waiting, 1)
  door.memoryShort = false
  await second
  assert.equal(door.taken, 2)
})
