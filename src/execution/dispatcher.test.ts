import assert from 'node:assert/strict'
import test from 'node:test'
import { FakeClock } from '../std/clock.ts'
import { Dispatcher, type DispatchOutcome } from './dispatcher.ts'

const settings = { concurrency: 2, firstRetryMs: 100, longestRetryMs: 400 }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('no more run at a time than allowed, in the order they were accepted', async () => {
  const begun: number[] = []
  const ends: Array<() => void> = []
  const dispatcher = new Dispatcher<number>(settings, new FakeClock(), (item) => {
    begun.push(item)
    return new Promise((resolve) => ends.push(() => resolve('done')))
  })
  for (let item = 0; item < 5; item++) dispatcher.add(item)
  assert.deepEqual([begun, dispatcher.waiting, dispatcher.running], [[0, 1], 3, 2])
  ends[0]?.()
  await turn()
  assert.deepEqual(begun, [0, 1, 2])
})

test('what finds no room is tried again later, ahead of the others and with growing pauses', async () => {
  const clock = new FakeClock()
  const tries: number[] = []
  let outcome: DispatchOutcome = 'later'
  const dispatcher = new Dispatcher<string>({ ...settings, concurrency: 1 }, clock, async () => {
    tries.push(clock.monotonic())
    return outcome
  })
  dispatcher.add('a')
  await turn()
  await clock.advance(1500)
  assert.deepEqual(tries, [0, 100, 300, 700, 1100, 1500])
  outcome = 'done'
  await clock.advance(400)
  assert.equal(dispatcher.waiting, 0)
})

test('a stopped dispatcher waits for what runs and keeps the rest', async () => {
  let end: (() => void) | undefined
  const dispatcher = new Dispatcher<number>({ ...settings, concurrency: 1 }, new FakeClock(), () => {
    return new Promise((resolve) => {
      end = () => resolve('done')
    })
  })
  dispatcher.add(1)
  dispatcher.add(2)
  const stopped = dispatcher.stop()
  end?.()
  await stopped
  assert.equal(dispatcher.waiting, 1)
})
