import assert from 'node:assert/strict'
import test from 'node:test'
import { isClocheError } from '../model/errors.ts'
import type { TenantId } from '../model/ids.ts'
import type { Driver, EndReason, Limits, Sandbox, SandboxSpec, Usage } from '../sandbox/driver.ts'
import { FakeClock } from '../std/clock.ts'
import { type ClaimRequest, Pool } from './pool.ts'
import { defaultPoolSettings, type PoolSettings } from './settings.ts'

const MIB = 1024 ** 2
const LIMITS: Limits = {
  memoryBytes: 256 * MIB,
  cpuMillis: 1000,
  pids: 128,
  diskBytes: 256 * MIB,
  inodes: 65_536,
}
const MEMORY = { totalBytes: 16_384 * MIB, availableBytes: 12_000 * MIB }
const USAGE: Usage = { cpuUs: 0, memoryBytes: 0, peakMemoryBytes: 0, oomKills: 0, pids: 0 }
// Ids in tests are plain words.
const tenant = (name: string): TenantId => name as TenantId

/** A sandbox that only keeps the book of what was asked of it. */
class CountedSandbox {
  readonly id: string
  readonly spec: SandboxSpec
  readonly asked: string[] = []
  endReason: EndReason | undefined
  readonly ended: Promise<EndReason>
  #end!: (reason: EndReason) => void

  constructor(id: string, spec: SandboxSpec) {
    this.id = id
    this.spec = spec
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  end(cause: EndReason['cause']): void {
    if (this.endReason !== undefined) return
    this.endReason = { cause, detail: cause }
    this.#end(this.endReason)
  }

  async reset(): Promise<void> {
    this.asked.push('reset')
    if (this.endReason !== undefined) throw new Error('it cannot be reset')
  }

  async limit(limits: Limits): Promise<void> {
    this.asked.push(`limit ${limits.memoryBytes / MIB}`)
  }

  async usage(): Promise<Usage> {
    return USAGE
  }

  async destroy(): Promise<Usage> {
    this.asked.push('destroy')
    this.end('destroyed')
    return USAGE
  }
}

/** Makes sandboxes at once, or when the test says so. */
class CountingDriver {
  readonly name = 'counting'
  readonly made: CountedSandbox[] = []
  inFlight = 0
  most = 0
  fail = false
  hold = false
  readonly #held: (() => void)[] = []

  async create(spec: SandboxSpec): Promise<CountedSandbox> {
    this.inFlight++
    this.most = Math.max(this.most, this.inFlight)
    if (this.hold) await new Promise<void>((resolve) => this.#held.push(resolve))
    else await turn()
    this.inFlight--
    if (this.fail) throw new Error('no sandbox today')
    const sandbox = new CountedSandbox(`s${this.made.length}`, spec)
    this.made.push(sandbox)
    return sandbox
  }

  async letGo(): Promise<void> {
    for (const go of this.#held.splice(0)) go()
    await settled()
  }

  get alive(): CountedSandbox[] {
    return this.made.filter((sandbox) => sandbox.endReason === undefined)
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
async function settled(): Promise<void> {
  for (let i = 0; i < 12; i++) await turn()
}

interface World {
  readonly pool: Pool
  readonly driver: CountingDriver
  readonly clock: FakeClock
  readonly problems: string[]
  memory: { totalBytes: number; availableBytes: number }
}

function world(over: Partial<PoolSettings> = {}): World {
  const clock = new FakeClock()
  const driver = new CountingDriver()
  const problems: string[] = []
  const none = { min: 0, max: 0 }
  const settings = {
    ...defaultPoolSettings(MEMORY, 2, LIMITS),
    standby: { bare: none, python: none, node: none },
    ...over,
  }
  const state = { memory: MEMORY }
  // The pool uses only what is above of either; a cast says so once instead of twenty unused methods.
  const pool = new Pool(driver as unknown as Driver, settings, {
    clock,
    readMemory: () => state.memory,
    onProblem: (what) => problems.push(what),
  })
  return Object.assign(state, { pool, driver, clock, problems })
}

const request: ClaimRequest = {
  tenantId: tenant('ann'),
  runtime: 'python',
  layers: [],
  limits: LIMITS,
  network: 'none',
  mode: 'ephemeral',
}
const cached: ClaimRequest = { ...request, mode: 'cached' }
const withStandby = (min: number): Partial<PoolSettings> => ({
  standby: { bare: { min, max: min }, python: { min, max: min }, node: { min, max: min } },
})

const counted = (sandbox: Sandbox): CountedSandbox => sandbox as unknown as CountedSandbox

test('without anything ready a claim makes a sandbox with its own limits, and says fork or cold', async () => {
  const { pool, driver } = world()
  const small = { ...LIMITS, memoryBytes: 64 * MIB }
  assert.equal((await pool.claim({ ...request, limits: small })).startKind, 'fork')
  assert.equal((await pool.claim({ ...request, runtime: 'bare' })).startKind, 'cold')
  assert.deepEqual(driver.made[0]?.spec.limits, small)
  assert.deepEqual(driver.made[0]?.asked, [])
})

test('a ready sandbox is claimed as standby, and a moment later another is made in its place', async () => {
  const { pool, driver, clock } = world(withStandby(2))
  pool.start(['python'])
  await settled()
  assert.equal(driver.made.length, 2)
  const lease = await pool.claim(request)
  assert.equal(lease.startKind, 'standby')
  await settled()
  assert.equal(driver.made.length, 2)
  await clock.advance(20)
  await settled()
  assert.equal(pool.stats().standby[0]?.ready, 2)
  assert.equal(driver.made.length, 3)
})

test('a release refills at once: nobody waits then', async () => {
  const { pool } = world(withStandby(2))
  pool.start(['python'])
  await settled()
  const lease = await pool.claim(request)
  lease.release('destroy')
  await settled()
  assert.equal(pool.stats().standby[0]?.ready, 2)
})

test('a standby sandbox gets the limits of the claim, unless they are those it has', async () => {
  const { pool } = world(withStandby(2))
  pool.start(['python'])
  await settled()
  assert.deepEqual(counted((await pool.claim(request)).sandbox).asked, [])
  const other = await pool.claim({ ...request, limits: { ...LIMITS, memoryBytes: 512 * MIB } })
  assert.equal(other.startKind, 'standby')
  assert.deepEqual(counted(other.sandbox).asked, ['limit 512'])
})

test('a disk of another size is never faked with a standby sandbox', async () => {
  const { pool } = world(withStandby(1))
  pool.start(['python'])
  await settled()
  const lease = await pool.claim({ ...request, limits: { ...LIMITS, diskBytes: 512 * MIB } })
  assert.equal(lease.startKind, 'fork')
})

test('an ephemeral sandbox is destroyed after its release, once, also when reuse is asked for', async () => {
  const { pool, driver } = world()
  const lease = await pool.claim(request)
  lease.release('reuse')
  lease.release('reuse')
  await settled()
  assert.deepEqual(driver.made[0]?.asked, ['destroy'])
  assert.equal(pool.stats().taken, 0)
})

test('a cached sandbox is reset and then used again by its tenant', async () => {
  const { pool, driver } = world()
  const first = await pool.claim(cached)
  first.release('reuse')
  await settled()
  assert.deepEqual(driver.made[0]?.asked, ['reset'])
  const second = await pool.claim(cached)
  assert.equal(second.startKind, 'warm')
  assert.equal(second.sandbox, first.sandbox)
})

test('a used sandbox never serves another tenant, environment, network, policy or limits', async () => {
  const { pool, driver } = world()
  const first = await pool.claim(cached)
  first.release('reuse')
  await settled()
  const others: ClaimRequest[] = [
    { ...cached, tenantId: tenant('bob') },
    { ...cached, runtime: 'node' },
    { ...cached, layers: ['a'.repeat(64)] },
    { ...cached, network: 'egress' },
    { ...cached, affinity: 'allow example.org' },
    { ...cached, limits: { ...LIMITS, pids: 64 } },
    { ...cached, mode: 'ephemeral' },
  ]
  for (const other of others) {
    const lease = await pool.claim(other)
    assert.notEqual(lease.sandbox, first.sandbox)
    assert.notEqual(lease.startKind, 'warm')
  }
  assert.equal(driver.made.length, 1 + others.length)
  assert.equal((await pool.claim(cached)).startKind, 'warm')
})

test('no second claim gets a sandbox that is held or still being reset', async () => {
  const { pool } = world()
  const first = await pool.claim(cached)
  const second = await pool.claim(cached)
  assert.notEqual(first.sandbox, second.sandbox)
  first.release('reuse')
  const third = await pool.claim(cached)
  assert.notEqual(third.sandbox, first.sandbox)
})

test('a sandbox that cannot be reset is destroyed and its place given back', async () => {
  const { pool, driver, problems } = world()
  const lease = await pool.claim(cached)
  driver.made[0]?.end('unresponsive')
  lease.release('reuse')
  await settled()
  assert.equal(pool.stats().taken, 0)
  assert.equal((await pool.claim(cached)).startKind, 'fork')
  assert.deepEqual(problems, [])
})

test('a warm sandbox goes after its last use, after its idle time, and when it dies', async () => {
  const { pool, driver, clock } = world({ warm: { max: 4, idleMs: 5000, maxUses: 2 } })
  pool.start([])
  for (const kind of ['fork', 'warm', 'fork']) {
    const lease = await pool.claim(cached)
    assert.equal(lease.startKind, kind)
    lease.release('reuse')
    await settled()
  }
  assert.equal(driver.made[0]?.endReason?.cause, 'destroyed')
  assert.equal(pool.stats().warm, 1)
  await clock.advance(7000)
  await settled()
  assert.equal(pool.stats().warm, 0)
  const lease = await pool.claim(cached)
  lease.release('reuse')
  await settled()
  driver.made.at(-1)?.end('exited')
  await settled()
  assert.equal(pool.stats().taken, 0)
})

test('when every place is warm the one unused for longest makes room', async () => {
  const { pool, driver } = world({ warm: { max: 2, idleMs: 5000, maxUses: 9 } })
  for (const name of ['ann', 'bob', 'cid']) {
    const lease = await pool.claim({ ...cached, tenantId: tenant(name) })
    lease.release('reuse')
    await settled()
  }
  assert.equal(driver.made[0]?.endReason?.cause, 'destroyed')
  assert.equal((await pool.claim({ ...cached, tenantId: tenant('bob') })).startKind, 'warm')
})

test('at capacity a claim takes the place of an idle sandbox before it waits for a busy one', async () => {
  const { pool, driver } = world({ ...withStandby(2), maxSandboxes: 3 })
  pool.start(['python'])
  await settled()
  const warmed = await pool.claim({ ...cached, limits: { ...LIMITS, diskBytes: MIB } })
  warmed.release('reuse')
  await settled()
  assert.equal(pool.stats().taken, 3)
  const first = await pool.claim({ ...request, runtime: 'node' })
  const second = await pool.claim({ ...request, runtime: 'node' })
  assert.deepEqual([first.startKind, second.startKind], ['fork', 'fork'])
  assert.equal(driver.alive.length, 3)
})

test('at capacity claims wait and are served when a sandbox is gone, not merely released', async () => {
  const { pool, driver } = world({ maxSandboxes: 1 })
  const first = await pool.claim(request)
  const second = pool.claim({ ...request, tenantId: tenant('bob') })
  await settled()
  assert.equal(pool.stats().queued, 1)
  assert.equal(driver.made.length, 1)
  first.release('destroy')
  await second
  assert.equal(driver.alive.length, 1)
})

test('a claim that waited too long is told so and leaves nothing behind', async () => {
  const { pool, clock } = world({ maxSandboxes: 1, queueDeadlineMs: 3000 })
  await pool.claim(request)
  const late = assert.rejects(pool.claim(request), (error) => isClocheError(error, 'queue_timeout'))
  await clock.advance(3000)
  await late
  assert.equal(pool.stats().queued, 0)
})

test('a sandbox that cannot be made is the claim’s error, and its place is free again', async () => {
  const { pool, driver } = world({ maxSandboxes: 1 })
  driver.fail = true
  await assert.rejects(pool.claim(request), /no sandbox today/)
  driver.fail = false
  assert.equal((await pool.claim(request)).startKind, 'fork')
})

test('a claim given up while its sandbox was made leaves none behind', async () => {
  const { pool, driver } = world()
  driver.hold = true
  const controller = new AbortController()
  const gone = assert.rejects(pool.claim(request, controller.signal), /enough/)
  await settled()
  controller.abort(new Error('enough'))
  await gone
  await driver.letGo()
  assert.equal(driver.alive.length, 0)
  assert.equal(pool.stats().taken, 0)
})

test('a claim that finds none ready takes the one that is half made, and says it had to wait for it', async () => {
  const { pool, driver } = world(withStandby(2))
  driver.hold = true
  pool.start(['python'])
  const claim = pool.claim({ ...request, limits: { ...LIMITS, pids: 64 } })
  await settled()
  await driver.letGo()
  const lease = await claim
  assert.equal(lease.startKind, 'fork')
  assert.equal(lease.sandbox, driver.made[0])
  assert.equal(counted(lease.sandbox).asked.length, 1)
})

test('when the one half made fails, so does the claim that waits for it; when the claim is given up, it stands ready', async () => {
  const { pool, driver } = world(withStandby(1))
  driver.hold = true
  pool.start(['python'])
  const failing = assert.rejects(pool.claim(request), /no sandbox today/)
  driver.fail = true
  await driver.letGo()
  await failing
  assert.equal(pool.stats().taken, 0)

  const other = world(withStandby(1))
  other.driver.hold = true
  other.pool.start(['python'])
  const controller = new AbortController()
  const gone = assert.rejects(other.pool.claim(request, controller.signal), /enough/)
  await settled()
  controller.abort(new Error('enough'))
  await gone
  await other.driver.letGo()
  assert.equal(other.pool.stats().standby[0]?.ready, 1)
})

test('no more are made at once than allowed, and claims go before standby', async () => {
  const { pool, driver } = world({ ...withStandby(6), making: { width: 3, patientWidth: 3 } })
  driver.hold = true
  pool.start(['bare'])
  const claims = Array.from({ length: 4 }, () => pool.claim(request))
  for (let i = 0; i < 20; i++) await driver.letGo()
  await Promise.all(claims)
  assert.equal(driver.most, 3)
  const kinds = driver.made.map((sandbox) => sandbox.spec.runtime)
  assert.deepEqual(kinds.slice(3, 7), ['python', 'python', 'python', 'python'])
})

test('standby that cannot be made is tried again with growing pauses, not in a loop', async () => {
  const { pool, driver, clock, problems } = world(withStandby(1))
  driver.fail = true
  pool.start(['python'])
  await settled()
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000)
    await settled()
  }
  assert.ok(problems.length >= 4 && problems.length <= 10, `${problems.length} tries in a minute`)
  driver.fail = false
  for (let second = 0; second < 31; second++) {
    await clock.advance(1000)
    await settled()
  }
  assert.equal(pool.stats().standby[0]?.ready, 1)
})

test('a standby sandbox that dies is replaced', async () => {
  const { pool, driver, clock } = world(withStandby(1))
  pool.start(['python'])
  await settled()
  driver.made[0]?.end('exited')
  await settled()
  assert.equal(pool.stats().standby[0]?.ready, 0)
  await clock.advance(1000)
  await settled()
  assert.equal(pool.stats().standby[0]?.ready, 1)
  assert.equal(pool.stats().taken, 1)
})

test('standby follows a burst up and shrinks again when nobody asks', async () => {
  const standby = { min: 1, max: 16 }
  const { pool, clock } = world({
    standby: { bare: standby, python: standby, node: standby },
    standbyIdleMs: 60_000,
  })
  pool.start(['python'])
  await settled()
  const leases = await Promise.all(Array.from({ length: 10 }, () => pool.claim(request)))
  for (const lease of leases) lease.release('destroy')
  await settled()
  const peak = pool.stats().standby[0]?.ready ?? 0
  assert.ok(peak >= 8, `${peak} ready after a burst of 10`)
  for (let second = 0; second < 90; second++) {
    await clock.advance(1000)
    await settled()
  }
  assert.equal(pool.stats().standby[0]?.ready, 1)
})

test('short memory gives standby back and holds claims until it is over', async () => {
  const state = world(withStandby(2))
  state.pool.start(['python'])
  await settled()
  state.memory = { ...MEMORY, availableBytes: 10 * MIB }
  await state.clock.advance(3000)
  await settled()
  assert.equal(state.driver.alive.length, 0)
  const first = await state.pool.claim(request)
  const second = state.pool.claim(request)
  await settled()
  assert.equal(state.pool.stats().queued, 1)
  state.memory = MEMORY
  await state.clock.advance(1000)
  assert.notEqual((await second).sandbox, first.sandbox)
})

test('close refuses claims, waits for leases, and destroys everything', async () => {
  const { pool, driver } = world({ ...withStandby(3), maxSandboxes: 20 })
  pool.start(['python', 'bare'])
  await settled()
  const warm = await pool.claim(cached)
  warm.release('reuse')
  const lease = await pool.claim({ ...request, tenantId: tenant('bob') })
  await settled()
  let closed = false
  const closing = pool.close().then(() => {
    closed = true
  })
  await assert.rejects(pool.claim(request), (error) => isClocheError(error, 'shutting_down'))
  await settled()
  assert.equal(closed, false)
  lease.release('reuse')
  await closing
  assert.equal(driver.alive.length, 0)
  assert.equal(pool.stats().taken, 0)
})

test('close does not wait for ever: what is still held is destroyed at the drain deadline', async () => {
  const { pool, driver, clock } = world({ drainMs: 2000 })
  await pool.claim(request)
  const closing = pool.close()
  await clock.advance(2000)
  await closing
  assert.equal(driver.alive.length, 0)
})

test('a claim in the making when the pool closes is refused, and its sandbox destroyed', async () => {
  const { pool, driver } = world()
  driver.hold = true
  const claim = assert.rejects(pool.claim(request), (error) => isClocheError(error, 'shutting_down'))
  await settled()
  const closing = pool.close()
  await driver.letGo()
  await claim
  await closing
  assert.equal(driver.alive.length, 0)
})
