import assert from 'node:assert/strict'
import test from 'node:test'
import { EventRate, Ewma } from './ewma.ts'

test('no reading is no value, and one reading is its value', () => {
  const average = new Ewma(1000)
  assert.equal(average.value, undefined)
  average.observe(8, 0)
  assert.equal(average.value, 8)
})

test('a reading one half-life old weighs half', () => {
  const average = new Ewma(1000)
  average.observe(0, 0)
  average.observe(10, 1000)
  assert.equal(average.value, 5)
  average.observe(10, 1000)
  assert.equal(average.value, 7.5)
})

test('a steady rate is found, and forgotten when nothing comes', () => {
  const rate = new EventRate(2000)
  for (let ms = 0; ms < 20_000; ms += 10) rate.hit(ms)
  const steady = rate.perSecond(20_000)
  assert.ok(steady > 98 && steady < 102, String(steady))
  assert.ok(Math.abs(rate.perSecond(22_000) - steady / 2) < 0.01)
  assert.ok(rate.perSecond(100_000) < 0.001)
})
