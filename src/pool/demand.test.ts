import assert from 'node:assert/strict'
import test from 'node:test'
import { Demand } from './demand.ts'

test('a steady stream of claims reads as its rate, and fades when it stops', () => {
  const demand = new Demand()
  for (let at = 0; at < 120_000; at += 100) demand.arrived(at)
  const steady = demand.perSecond(120_000)
  assert.ok(Math.abs(steady - 10) < 1, `${steady} per second`)
  assert.ok(demand.perSecond(130_000) < steady * 0.51)
})

test('a burst is remembered as its size and halves every half minute', () => {
  const demand = new Demand()
  for (let i = 0; i < 30; i++) demand.arrived(1000 + i)
  assert.equal(demand.burst(1029), 30)
  assert.ok(Math.abs(demand.burst(31_029) - 15) < 0.1)
})

test('a smaller burst does not hide a larger one until that has faded below it', () => {
  const demand = new Demand()
  for (let i = 0; i < 16; i++) demand.arrived(0)
  for (let i = 0; i < 4; i++) demand.arrived(30_000)
  assert.ok(Math.abs(demand.burst(30_000) - 8) < 0.1)
  for (let i = 0; i < 4; i++) demand.arrived(70_000)
  assert.equal(demand.burst(70_000), 4)
})

test('creation time is an average that follows', () => {
  const demand = new Demand()
  assert.equal(demand.createMs, undefined)
  demand.created(10, 0)
  demand.created(20, 30_000)
  assert.equal(demand.createMs, 15)
})
