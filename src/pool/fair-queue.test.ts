import assert from 'node:assert/strict'
import test from 'node:test'
import { FairQueue } from './fair-queue.ts'

test('parties take turns however many each has waiting', () => {
  const queue = new FairQueue<string>(10)
  for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add('a', item)
  queue.add('b', 'b1')
  queue.add('c', 'c1')
  queue.add('b', 'b2')
  const served = Array.from({ length: 8 }, () => queue.next())
  assert.deepEqual(served, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4', undefined])
})

test('a full queue takes nobody, and one who leaves makes a place', () => {
  const queue = new FairQueue<string>(2)
  const leave = queue.add('a', 'a1')
  queue.add('a', 'a2')
  assert.equal(queue.add('b', 'b1'), undefined)
  leave?.()
  leave?.()
  assert.equal(queue.length, 1)
  assert.ok(queue.add('b', 'b1'))
  assert.equal(queue.next(), 'a2')
})
