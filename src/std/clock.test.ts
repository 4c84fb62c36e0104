import assert from 'node:assert/strict'
import test from 'node:test'
import { FakeClock, systemClock } from './clock.ts'

test('time stands still until it is advanced, and timers fire in the order they fall due', async () => {
  const clock = new FakeClock(1000)
  const seen: string[] = []
  clock.after(20, () => seen.push(`late ${clock.now()}`))
  clock.after(10, () => {
    seen.push(`early ${clock.now()}`)
    clock.after(5, () => seen.push(`nested ${clock.now()}`))
  })
  clock.after(15, () => seen.push('cancelled')).cancel()
  await clock.advance(9)
  assert.deepEqual(seen, [])
  await clock.advance(11)
  assert.deepEqual(seen, ['early 1010', 'nested 1015', 'late 1020'])
  assert.equal(clock.monotonic(), 20)
  assert.equal(clock.waiting, 0)
})

test('what a timer wakes runs before the next timer', async () => {
  const clock = new FakeClock()
  const seen: string[] = []
  const sleeper = clock.sleep(10).then(() => seen.push('slept'))
  clock.after(11, () => seen.push('timer'))
  await clock.advance(11)
  await sleeper
  assert.deepEqual(seen, ['slept', 'timer'])
})

test('a sleep ends with the signal and leaves no timer', async () => {
  const clock = new FakeClock()
  const abort = new AbortController()
  const sleep = clock.sleep(1000, abort.signal)
  abort.abort(new Error('enough'))
  await assert.rejects(sleep, /enough/)
  assert.equal(clock.waiting, 0)
  await assert.rejects(clock.sleep(1, abort.signal), /enough/)
})

test('the system clock goes forward, and its timers fire or are cancelled', async () => {
  const before = systemClock.monotonic()
  const cancelled = systemClock.after(1, () => assert.fail('cancelled'))
  cancelled.cancel()
  const hold = setInterval(() => {}, 1000)
  await systemClock.sleep(5)
  clearInterval(hold)
  assert.ok(systemClock.monotonic() - before >= 4)
})
