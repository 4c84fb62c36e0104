import assert from 'node:assert/strict'
import test from 'node:test'
import { KeyedLock } from './keyed-lock.ts'

test('work under one key never overlaps and keeps its order, also past a failure', async () => {
  const lock = new KeyedLock()
  const seen: string[] = []
  const step =
    (name: string, fails = false) =>
    async (): Promise<string> => {
      seen.push(`${name} begins`)
      await new Promise((resolve) => setImmediate(resolve))
      seen.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    }
  const results = await Promise.allSettled([
    lock.run('k', step('a', true)),
    lock.run('k', step('b')),
    lock.run('k', step('c')),
  ])
  assert.deepEqual(seen, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  assert.deepEqual(
    results.map((result) => result.status),
    ['rejected', 'fulfilled', 'fulfilled'],
  )
})

test('another key does not wait', async () => {
  const lock = new KeyedLock()
  const { promise, resolve } = Promise.withResolvers<void>()
  const held = lock.run('a', () => promise)
  assert.equal(await lock.run('b', async () => 'free'), 'free')
  resolve()
  await held
})
