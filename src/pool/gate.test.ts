import assert from 'node:assert/strict'
import test from 'node:test'
import { Gate } from './gate.ts'

test('no more than the width runs at once, and the urgent goes first', async () => {
  const gate = new Gate(2)
  const order: string[] = []
  const ends: (() => void)[] = []
  const work = (name: string) => (): Promise<void> => {
    order.push(name)
    return new Promise((resolve) => ends.push(resolve))
  }
  const all = [
    gate.run('patient', work('p1')),
    gate.run('patient', work('p2')),
    gate.run('patient', work('p3')),
    gate.run('urgent', work('u1')),
    gate.run('urgent', work('u2')),
  ]
  assert.deepEqual([gate.running, gate.waiting], [2, 3])
  for (let ended = 0; ended < all.length; ended++) {
    ends[ended]?.()
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(gate.running <= 2)
  }
  await Promise.all(all)
  assert.deepEqual(order, ['p1', 'p2', 'u1', 'u2', 'p3'])
  assert.deepEqual([gate.running, gate.waiting], [0, 0])
})

test('work that fails frees its place', async () => {
  const gate = new Gate(1)
  await assert.rejects(gate.run('urgent', () => Promise.reject(new Error('no'))))
  assert.equal(await gate.run('urgent', async () => 7), 7)
})
