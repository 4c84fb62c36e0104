import assert from 'node:assert/strict'
import test from 'node:test'
import { idTimeMs, isSortableId, randomName, sortableId } from './ids.ts'

test('ids sort in the order they were made, through bursts and a clock that steps back', () => {
  const now = Date.now() + 10_000
  const ids = Array.from({ length: 100_000 }, (_, i) => sortableId('exec', i < 50_000 ? now : now - 5000))
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, ids.length)
})

test('an id has its prefix, its time and its fixed length', () => {
  const now = Date.now() + 60_000
  const id = sortableId('key', now)
  assert.match(id, /^key_[0-9a-hjkmnp-tv-z]{26}$/)
  assert.equal(idTimeMs(id), now)
  assert.ok(isSortableId(id, 'key'))
  assert.ok(!isSortableId(id, 'exec'))
  for (const bad of ['', 'key_', `${id}0`, id.toUpperCase(), `${id.slice(0, -1)}/`, ` ${id}`]) {
    assert.ok(!isSortableId(bad, 'key'), bad)
  }
})

test('random names use the whole alphabet evenly', () => {
  const counts = new Map<string, number>()
  for (let i = 0; i < 2000; i++)
    for (const char of randomName(32)) counts.set(char, (counts.get(char) ?? 0) + 1)
  assert.equal(counts.size, 32)
  for (const count of counts.values()) assert.ok(count > 1600 && count < 2400, String(count))
})
