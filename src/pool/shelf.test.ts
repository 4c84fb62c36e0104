import assert from 'node:assert/strict'
import test from 'node:test'
import type { Limits, Sandbox } from '../sandbox/driver.ts'
import { Shelf } from './shelf.ts'

const LIMITS: Limits = { memoryBytes: 1, cpuMillis: 1, pids: 1, diskBytes: 100, inodes: 10 }
const PLENTY = 1 << 30

function shelf(min: number, max = 10): Shelf {
  const spec = { runtime: 'python', layers: [], limits: LIMITS, network: 'none' } as const
  return new Shelf(spec, { min, max, idleMs: 1000, memoryReserveBytes: 0, sandboxBytes: 1 })
}

/** Only whether it has ended matters here. */
const sandbox = (ended = false): Sandbox =>
  ({ endReason: ended ? { cause: 'exited', detail: '' } : undefined }) as unknown as Sandbox

function stock(on: Shelf, one: Sandbox): void {
  on.made(on.beginMaking(), one)
}

test('the one made last is taken first; one that ended is never given out', () => {
  const on = shelf(0)
  const [first, second] = [sandbox(), sandbox()]
  for (const one of [first, second, sandbox(true)]) stock(on, one)
  assert.equal(on.take(LIMITS), second)
  assert.equal(on.take({ ...LIMITS, memoryBytes: 5 }), first)
  assert.equal(on.take(LIMITS), undefined)
  assert.equal(on.ready, 1)
})

test('another size of disk is never served from here, ready or half made', () => {
  const on = shelf(0)
  stock(on, sandbox())
  on.beginMaking()
  for (const other of [
    { ...LIMITS, diskBytes: 99 },
    { ...LIMITS, inodes: 9 },
  ]) {
    assert.equal(on.take(other), undefined)
    assert.equal(on.adoptable(other), undefined)
  }
})

test('what is on its way counts, what a claim adopted does not', () => {
  const on = shelf(3)
  assert.equal(on.plan(0, PLENTY).missing, 3)
  const making = on.beginMaking()
  on.beginMaking()
  assert.equal(on.plan(0, PLENTY).missing, 1)
  void making.adopt()
  assert.equal(on.plan(0, PLENTY).missing, 2)
  making.abandon()
  assert.equal(on.plan(0, PLENTY).missing, 1)
})

test('an adopted one goes to its claim, each to one, the oldest first', async () => {
  const on = shelf(2)
  const [first, second] = [on.beginMaking(), on.beginMaking()]
  assert.equal(on.adoptable(LIMITS), first)
  const adopted = first.adopt()
  assert.equal(on.adoptable(LIMITS), second)
  const one = sandbox()
  on.made(first, one)
  assert.equal(await adopted, one)
  assert.equal(on.ready, 0)
})

test('after failures the pause doubles up to half a minute, after a success it is gone', () => {
  const on = shelf(1)
  const waits: number[] = []
  let nowMs = 0
  for (let failure = 0; failure < 9; failure++) {
    on.endMaking(on.beginMaking())
    on.failed(nowMs)
    let wait = 0
    while (on.plan(nowMs + wait, PLENTY).missing === 0) wait += 500
    waits.push(wait)
    nowMs += wait
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  stock(on, sandbox())
  on.failed(nowMs)
  on.take(LIMITS)
  assert.equal(on.plan(nowMs + 500, PLENTY).missing, 1)
})

test('a shelf nobody asks for is forgotten, unless it has a minimum or something on it', () => {
  assert.equal(shelf(0).forgettable(5000), true)
  assert.equal(shelf(1).forgettable(5000), false)
  const asked = shelf(0)
  asked.demand.arrived(4500)
  assert.equal(asked.forgettable(5000), false)
  assert.equal(asked.forgettable(5501), true)
  stock(asked, sandbox())
  assert.equal(asked.forgettable(9000), false)
})
