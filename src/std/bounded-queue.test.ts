import assert from 'node:assert/strict'
import test from 'node:test'
import { BoundedQueue } from './bounded-queue.ts'

test('items come out in the order they went in', async () => {
  const queue = new BoundedQueue<number>(3)
  assert.deepEqual(
    [1, 2, 3, 4].map((item) => queue.offer(item)),
    [true, true, true, false],
  )
  assert.deepEqual([await queue.take(), await queue.take(), await queue.take()], [1, 2, 3])
})

test('a push waits for a place, behind those who waited before', async () => {
  const queue = new BoundedQueue<string>(1)
  queue.offer('a')
  const pushes = [queue.push('b'), queue.push('c')]
  assert.equal(queue.length, 1)
  assert.deepEqual([await queue.take(), await queue.take(), await queue.take()], ['a', 'b', 'c'])
  await Promise.all(pushes)
})

test('an item goes to the one who has waited longest, and not to one who gave up', async () => {
  const queue = new BoundedQueue<number>(1)
  const abort = new AbortController()
  const [gone, first, second] = [queue.take(abort.signal), queue.take(), queue.take()]
  abort.abort(new Error('gave up'))
  await assert.rejects(gone, /gave up/)
  queue.offer(1)
  queue.offer(2)
  assert.deepEqual(await Promise.all([first, second]), [1, 2])
})

test('a push that gave up leaves no item', async () => {
  const queue = new BoundedQueue<number>(1)
  queue.offer(1)
  const abort = new AbortController()
  const push = queue.push(2, abort.signal)
  abort.abort(new Error('gave up'))
  await assert.rejects(push, /gave up/)
  assert.equal(await queue.take(), 1)
  assert.equal(queue.length, 0)
})

test('closing refuses everyone who waits and gives out what is there', async () => {
  const queue = new BoundedQueue<number>(1)
  queue.offer(1)
  const push = queue.push(2)
  const reason = new Error('closed')
  queue.close(reason)
  await assert.rejects(push, reason)
  assert.equal(queue.offer(3), false)
  assert.equal(await queue.take(), 1)
  await assert.rejects(queue.take(), reason)
})
