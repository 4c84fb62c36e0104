import assert from 'node:assert/strict'
import test from 'node:test'
import { decideStandby, type StandbyReadings, type StandbySpec } from './decide-standby.ts'

const MIB = 1024 ** 2
const spec: StandbySpec = {
  min: 2,
  max: 20,
  idleMs: 60_000,
  memoryReserveBytes: 512 * MIB,
  sandboxBytes: 4 * MIB,
}
const calm: StandbyReadings = {
  arrivalsPerSecond: 0,
  burst: 0,
  createMs: 10,
  lastArrivalMs: 1000,
  memoryAvailableBytes: 8192 * MIB,
}

test('nobody asked yet: the minimum is kept ready', () => {
  assert.deepEqual(decideStandby(1000, { ...calm, lastArrivalMs: undefined }, spec), {
    target: 2,
    reason: 'idle',
  })
})

test('the target covers the arrivals of one creation and two deviations more', () => {
  // 400/s × 10 ms = 4 expected, 4 + 2√4 = 8.
  assert.deepEqual(decideStandby(1000, { ...calm, arrivalsPerSecond: 400 }, spec), {
    target: 8,
    reason: 'demand',
  })
  // 100/s × 10 ms = 1 expected, 1 + 2 = 3.
  assert.equal(decideStandby(1000, { ...calm, arrivalsPerSecond: 100 }, spec).target, 3)
})

test('a slower creation needs more ready', () => {
  const fast = decideStandby(1000, { ...calm, arrivalsPerSecond: 100, createMs: 4 }, spec).target
  const slow = decideStandby(1000, { ...calm, arrivalsPerSecond: 100, createMs: 40 }, spec).target
  assert.ok(slow > fast, `${slow} > ${fast}`)
})

test('a burst that was seen is prepared for', () => {
  assert.equal(decideStandby(1000, { ...calm, burst: 12.4 }, spec).target, 12)
})

test('never below the minimum, never above the maximum', () => {
  assert.equal(decideStandby(1000, { ...calm, arrivalsPerSecond: 1 }, spec).target, 2)
  assert.deepEqual(decideStandby(1000, { ...calm, arrivalsPerSecond: 1e6 }, spec), {
    target: 20,
    reason: 'the maximum',
  })
})

test('after a while without claims only the minimum stays', () => {
  const busy = { ...calm, arrivalsPerSecond: 400, burst: 9 }
  assert.equal(decideStandby(60_999, busy, spec).target, 9)
  assert.deepEqual(decideStandby(61_000, busy, spec), { target: 2, reason: 'idle' })
})

test('memory beyond the reserve bounds even the minimum', () => {
  // 28 MiB beyond the reserve, a quarter of it: 7 MiB, one sandbox.
  const short = { ...calm, memoryAvailableBytes: 540 * MIB }
  assert.deepEqual(decideStandby(1000, short, spec), { target: 1, reason: 'what memory allows' })
  const none = { ...calm, memoryAvailableBytes: 512 * MIB }
  assert.deepEqual(decideStandby(1000, none, spec), { target: 0, reason: 'memory is below the reserve' })
})
