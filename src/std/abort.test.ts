import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import test from 'node:test'
import { abortable, deadline } from './abort.ts'
import { FakeClock } from './clock.ts'

test('waiting ends with the signal and leaves no listener behind', async () => {
  const abort = new AbortController()
  const waiting = abortable(new Promise(() => {}), abort.signal)
  const done = await abortable(Promise.resolve(1), abort.signal)
  assert.equal(done, 1)
  assert.equal(getEventListeners(abort.signal, 'abort').length, 1)
  abort.abort(new Error('stop'))
  await assert.rejects(waiting, /stop/)
  await assert.rejects(abortable(Promise.reject(new Error('late')), abort.signal), /stop/)
  assert.equal(await abortable(Promise.resolve(2), undefined), 2)
})

test('a deadline aborts when its time is over', async () => {
  const clock = new FakeClock()
  const limit = deadline(clock, 100, () => new Error('too late'))
  await clock.advance(99)
  assert.equal(limit.signal.aborted, false)
  await clock.advance(1)
  assert.equal(limit.expired, true)
  assert.match(String(limit.signal.reason), /too late/)
})

test('a deadline follows the outer signal with its reason, and lets go when cleared', () => {
  const clock = new FakeClock()
  const outer = new AbortController()
  const limit = deadline(clock, 100, () => new Error('too late'), outer.signal)
  const cleared = deadline(clock, 100, () => new Error('too late'), outer.signal)
  cleared.clear()
  outer.abort(new Error('from outside'))
  assert.match(String(limit.signal.reason), /from outside/)
  assert.equal(limit.expired, false)
  assert.equal(cleared.signal.aborted, false)
  assert.equal(clock.waiting, 0)
  assert.equal(deadline(clock, 100, () => new Error(), outer.signal).signal.aborted, true)
})
