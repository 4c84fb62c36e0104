import assert from 'node:assert/strict'
import test from 'node:test'
import type { Sandbox } from '../sandbox/driver.ts'
import { WarmSandboxes } from './warm.ts'

/** Only its identity and whether it has ended matter here. */
const sandbox = (ended = false): Sandbox =>
  ({ endReason: ended ? { cause: 'exited', detail: '' } : undefined }) as unknown as Sandbox

test('a key gives back only what was put away under it, the last one first', () => {
  const warm = new WarmSandboxes({ max: 9, idleMs: 1000, maxUses: 3 })
  const [a1, a2, b1] = [sandbox(), sandbox(), sandbox()]
  warm.put('a', a1, 1, 0)
  warm.put('b', b1, 2, 0)
  warm.put('a', a2, 1, 0)
  assert.equal(warm.take('c'), undefined)
  assert.equal(warm.take('a')?.sandbox, a2)
  assert.equal(warm.take('a')?.sandbox, a1)
  assert.equal(warm.take('a'), undefined)
  assert.equal(warm.take('b')?.uses, 2)
  assert.equal(warm.size, 0)
})

test('when it is full the oldest of all goes for the new one', () => {
  const warm = new WarmSandboxes({ max: 2, idleMs: 1000, maxUses: 3 })
  const [first, second, third] = [sandbox(), sandbox(), sandbox()]
  assert.equal(warm.put('a', first, 1, 0), undefined)
  assert.equal(warm.put('b', second, 1, 1), undefined)
  assert.equal(warm.put('c', third, 1, 2), first)
  assert.equal(warm.size, 2)
})

test('what rests too long expires, oldest first, and no other', () => {
  const warm = new WarmSandboxes({ max: 9, idleMs: 1000, maxUses: 3 })
  const [first, second, third] = [sandbox(), sandbox(), sandbox()]
  warm.put('a', first, 1, 0)
  warm.put('a', second, 1, 100)
  warm.put('b', third, 1, 900)
  assert.deepEqual(warm.takeExpired(1100), [first, second])
  assert.deepEqual(warm.takeExpired(1100), [])
  assert.equal(warm.size, 1)
})

test('one that ended while it rested is never given out, and stays to be cleared away', () => {
  const warm = new WarmSandboxes({ max: 9, idleMs: 1000, maxUses: 3 })
  const dead = sandbox(true)
  warm.put('a', dead, 1, 0)
  assert.equal(warm.take('a'), undefined)
  assert.equal(warm.drop(dead), true)
  assert.equal(warm.drop(dead), false)
})

test('one used often enough is not wanted back', () => {
  const warm = new WarmSandboxes({ max: 9, idleMs: 1000, maxUses: 3 })
  assert.deepEqual([warm.wants(2), warm.wants(3)], [true, false])
  assert.equal(new WarmSandboxes({ max: 0, idleMs: 1000, maxUses: 3 }).wants(1), false)
})
