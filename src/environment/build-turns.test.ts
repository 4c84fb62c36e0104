import assert from 'node:assert/strict'
import test from 'node:test'
import { isClocheError } from '../model/errors.ts'
import { BuildTurns } from './build-turns.ts'

const never = new AbortController().signal

test('no more than so many at once, tenants in turns, and a failure gives its turn on', async () => {
  const turns = new BuildTurns(1, 8)
  const order: string[] = []
  let running = 0
  const work = (name: string) => async (): Promise<void> => {
    assert.equal(++running, 1)
    order.push(name)
    await new Promise(setImmediate)
    running--
    if (name === 'a2') throw new Error('a2')
  }
  const all = [
    turns.run('a', never, work('a1')),
    turns.run('a', never, work('a2')),
    turns.run('a', never, work('a3')),
    turns.run('b', never, work('b1')),
  ]
  const ends = await Promise.allSettled(all)
  assert.deepEqual(order, ['a1', 'a2', 'b1', 'a3'])
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
})

test('one too many is refused at once, and one that gives up leaves its place', async () => {
  const turns = new BuildTurns(1, 1)
  const first = Promise.withResolvers<void>()
  const running = turns.run('a', never, () => first.promise)
  const stop = new AbortController()
  const waiting = turns.run('a', stop.signal, async () => assert.fail('it gave up'))
  await assert.rejects(
    turns.run('b', never, async () => {}),
    (error) => isClocheError(error, 'queue_full'),
  )
  stop.abort(new Error('given up'))
  await assert.rejects(waiting, /given up/)
  const next = turns.run('b', never, async () => 'ran')
  first.resolve()
  await running
  assert.equal(await next, 'ran')
})
