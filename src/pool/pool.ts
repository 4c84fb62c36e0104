/*
 * pool: who gets which sandbox.
 *
 * Guarantees: a claim gets a sandbox that nobody else has; one that ran code of a tenant is only ever used again by that
 * tenant, for the same environment, network and limits, and only after a reset that succeeded. The start kind is the truth.
 * No more sandboxes exist than the settings allow; who finds no place waits in a bounded queue, tenants in turns. Making
 * goes before keeping ready, destroying happens after the answer, and both are bounded.
 *
 * Does not: run anything, judge requests, or decide what may be reached.
 */

import { ClocheError } from '../model/errors.ts'
import type { Driver, Limits, RuntimeName, Sandbox, SandboxSpec } from '../sandbox/driver.ts'
import { abortable } from '../std/abort.ts'
import { type Clock, systemClock, type Timer } from '../std/clock.ts'
import { Admission } from './admission.ts'
import { type ClaimRequest, type Lease, limitsKey, type StartKind, specOf, warmKey } from './claim.ts'
import { Gate, type Ticket } from './gate.ts'
import type { Making } from './making.ts'
import { type ReadMemory, readMachineMemory } from './memory.ts'
import { IDLE_SANDBOX_BYTES, type PoolSettings } from './settings.ts'
import { Shelf } from './shelf.ts'
import { type PoolStats, statsOf } from './stats.ts'
import { WarmSandboxes } from './warm.ts'

export type { ClaimRequest, Lease, StartKind } from './claim.ts'

export interface PoolOptions {
  readonly clock?: Clock
  readonly readMemory?: ReadMemory
  /** What went wrong where nobody waits for it. */
  readonly onProblem?: (what: string, cause: unknown) => void
}

const TICK_MS = 1000
/** Longer than most short programs take from claim to release, which refills too. */
const REFILL_PAUSE_MS = 20

export class Pool {
  readonly #driver: Driver
  readonly #settings: PoolSettings
  readonly #clock: Clock
  readonly #readMemory: ReadMemory
  readonly #onProblem: (what: string, cause: unknown) => void
  readonly #admission: Admission
  readonly #makers: Gate
  readonly #destroyers: Gate
  readonly #shelves = new Map<string, Shelf>()
  readonly #warm: WarmSandboxes
  readonly #leased = new Set<Sandbox>()
  readonly #background = new Set<Promise<void>>()
  readonly #claims: Record<StartKind, number> = { standby: 0, fork: 0, cold: 0, warm: 0 }
  #resetting = 0
  #memoryAvailableBytes: number
  #timer: Timer | undefined
  #closing: Promise<void> | undefined
  #allReleased: (() => void) | undefined

  constructor(driver: Driver, settings: PoolSettings, options: PoolOptions = {}) {
    this.#driver = driver
    this.#settings = settings
    this.#clock = options.clock ?? systemClock
    this.#readMemory = options.readMemory ?? readMachineMemory
    this.#onProblem = options.onProblem ?? (() => {})
    this.#admission = new Admission(settings, this.#clock, () => this.#makeRoom())
    this.#makers = new Gate(settings.making)
    this.#destroyers = new Gate({
      width: settings.destroyConcurrency,
      patientWidth: settings.destroyConcurrency,
    })
    this.#warm = new WarmSandboxes(settings.warm)
    this.#memoryAvailableBytes = this.#readMemory().availableBytes
  }

  /** Begins to keep sandboxes ready. Claims work without it, only slower. */
  start(runtimes: readonly RuntimeName[]): void {
    for (const runtime of runtimes) this.#shelf({ runtime, layers: [], network: 'none' })
    this.#tick()
  }

  /**
   * Rejects with `queue_full` or `queue_timeout` when there is no place, with what the driver says when none can be made, with
   * the signal's reason when it aborts.
   */
  claim(request: ClaimRequest, signal?: AbortSignal): Promise<Lease> {
    if (this.#closing !== undefined) return Promise.reject(new ClocheError('shutting_down', {}))
    const claimed = this.#claim(request, signal)
    this.#track(claimed.then(ignore, ignore))
    return claimed
  }

  async #claim(request: ClaimRequest, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted()
    const beganMs = this.#clock.monotonic()
    const shelf = this.#shelf(request)
    shelf.demand.arrived(beganMs)
    const warm = request.mode === 'cached' ? this.#warm.take(warmKey(request)) : undefined
    if (warm !== undefined) return this.#lease(request, warm.sandbox, 'warm', beganMs, beganMs, warm.uses)
    const ready = shelf.take(request.limits)
    if (ready !== undefined) {
      this.#refillLater(shelf)
      await this.#fit(ready, request.limits)
      return this.#lease(request, ready, 'standby', beganMs, beganMs, 0)
    }
    const onDemand = request.runtime === 'bare' ? 'cold' : 'fork'
    const making = shelf.adoptable(request.limits)
    if (making !== undefined) {
      const adopted = await this.#adopt(making, signal)
      await this.#fit(adopted, request.limits)
      return this.#lease(request, adopted, onDemand, beganMs, beganMs, 0)
    }
    await this.#admission.enter(request.tenantId, signal)
    const admittedMs = this.#clock.monotonic()
    const sandbox = await this.#make(specOf(request, request.limits), shelf, { urgency: 'urgent' }, signal)
    this.#refillLater(shelf)
    return this.#lease(request, sandbox, onDemand, beganMs, admittedMs, 0)
  }

  stats(): PoolStats {
    return statsOf({
      leased: this.#leased.size,
      taken: this.#admission.taken,
      capacity: this.#settings.maxSandboxes,
      queued: this.#admission.waiting,
      creating: this.#makers.running + this.#makers.waiting,
      destroying: this.#destroyers.running + this.#destroyers.waiting,
      resetting: this.#resetting,
      warm: this.#warm.size,
      claims: this.#claims,
      shelves: [...this.#shelves.values()],
    })
  }

  /** No claim any more; waits for leases until the drain deadline, then destroys everything. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#drain()
    return this.#closing
  }

  // ---- leases ----

  #lease(
    request: ClaimRequest,
    sandbox: Sandbox,
    startKind: StartKind,
    beganMs: number,
    admittedMs: number,
    uses: number,
  ): Lease {
    if (this.#closing !== undefined) {
      this.#dispose(sandbox)
      throw new ClocheError('shutting_down', {})
    }
    this.#claims[startKind]++
    this.#leased.add(sandbox)
    const release = (outcome: 'reuse' | 'destroy'): void => {
      if (!this.#leased.delete(sandbox)) return
      const reuse = outcome === 'reuse' && request.mode === 'cached' && this.#warm.wants(uses + 1)
      this.#track(this.#giveBack(request, sandbox, reuse ? uses + 1 : undefined))
      if (this.#leased.size === 0) this.#allReleased?.()
    }
    const queueMs = admittedMs - beganMs
    return { sandbox, startKind, queueMs, startMs: this.#clock.monotonic() - admittedMs, release }
  }

  /** After what is under way in this turn, which is the answer: killing and resetting take a core for a while. */
  async #giveBack(request: ClaimRequest, sandbox: Sandbox, uses: number | undefined): Promise<void> {
    await new Promise(setImmediate)
    const keep = uses !== undefined && sandbox.endReason === undefined && this.#closing === undefined
    if (keep) this.#keep(request, sandbox, uses)
    else this.#dispose(sandbox)
    this.#refill(this.#shelf(request))
  }

  async #adopt(making: Making, signal?: AbortSignal): Promise<Sandbox> {
    const adopted = making.adopt()
    this.#makers.promote(making.ticket)
    try {
      return await abortable(adopted, signal)
    } catch (error) {
      making.abandon()
      throw error
    }
  }

  /** A standby sandbox gets the limits of its claim, unless it has them already. */
  async #fit(sandbox: Sandbox, limits: Limits): Promise<void> {
    if (limitsKey(limits) === limitsKey(sandbox.spec.limits)) return
    try {
      await sandbox.limit(limits)
    } catch (error) {
      this.#dispose(sandbox)
      throw error
    }
  }

  /** Resets a used sandbox and puts it away for its tenant; one that cannot be reset is destroyed. */
  #keep(request: ClaimRequest, sandbox: Sandbox, uses: number): void {
    this.#resetting++
    const kept = (async (): Promise<void> => {
      try {
        await sandbox.reset()
        await sandbox.usage(true)
      } catch (error) {
        this.#onProblem('a used sandbox could not be reset', error)
        this.#dispose(sandbox)
        return
      } finally {
        this.#resetting--
      }
      if (this.#closing !== undefined || sandbox.endReason !== undefined) {
        this.#dispose(sandbox)
        return
      }
      const evicted = this.#warm.put(warmKey(request), sandbox, uses, this.#clock.monotonic())
      if (evicted !== undefined) this.#dispose(evicted)
      if (this.#admission.waiting > 0) this.#makeRoom()
    })()
    this.#track(kept)
  }

  // ---- making ----

  #shelf(kind: Pick<SandboxSpec, 'runtime' | 'layers' | 'network'>): Shelf {
    const key = `${kind.runtime}/${kind.network}/${kind.layers.join(',')}`
    const known = this.#shelves.get(key)
    if (known !== undefined) return known
    const range = this.#settings.standby[kind.runtime]
    const always = kind.layers.length === 0 && kind.network === 'none'
    const shelf = new Shelf(specOf(kind, this.#settings.defaultLimits), {
      min: always ? range.min : 0,
      max: range.max,
      idleMs: this.#settings.standbyIdleMs,
      memoryReserveBytes: this.#settings.memoryReserveBytes,
      sandboxBytes: IDLE_SANDBOX_BYTES[kind.runtime],
    })
    this.#shelves.set(key, shelf)
    return shelf
  }

  /** Makes one in a place that was taken for it; the place is given back if it cannot be made. */
  async #make(spec: SandboxSpec, shelf: Shelf, ticket: Ticket, signal?: AbortSignal): Promise<Sandbox> {
    const making = this.#makers.run(ticket, async () => {
      const beganMs = this.#clock.monotonic()
      const sandbox = await this.#driver.create(spec, signal)
      const nowMs = this.#clock.monotonic()
      shelf.demand.created(nowMs - beganMs, nowMs)
      // One that ends while it stands ready or rests is cleared away; whoever holds it sees to it otherwise.
      void sandbox.ended.then(() => {
        if (shelf.drop(sandbox) || this.#warm.drop(sandbox)) this.#dispose(sandbox)
      })
      return sandbox
    })
    try {
      return await abortable(making, signal)
    } catch (error) {
      making.then(
        (sandbox) => this.#dispose(sandbox),
        () => this.#admission.leave(),
      )
      throw error
    }
  }

  #refill(shelf: Shelf): void {
    if (this.#closing !== undefined) return
    const { missing } = shelf.plan(this.#clock.monotonic(), this.#memoryAvailableBytes)
    for (let i = 0; i < missing && this.#admission.tryEnter(); i++) {
      this.#track(this.#stock(shelf, shelf.beginMaking()))
    }
  }

  /** Making the next one would slow down the program that was just claimed for: it waits a moment, unless none is left. */
  #refillLater(shelf: Shelf): void {
    if (shelf.ready === 0) this.#refillSoon(shelf)
    else this.#clock.after(REFILL_PAUSE_MS, () => this.#refill(shelf))
  }

  /** After what is under way in this turn: the answer to a claim, the start of its program. */
  #refillSoon(shelf: Shelf): void {
    setImmediate(() => this.#refill(shelf))
  }

  async #stock(shelf: Shelf, making: Making): Promise<void> {
    try {
      const sandbox = await this.#make(shelf.spec, shelf, making.ticket)
      if (this.#closing !== undefined && !making.adopted) this.#dispose(sandbox)
      else shelf.made(making, sandbox)
      if (this.#admission.waiting > 0) this.#makeRoom()
    } catch (error) {
      shelf.failed(this.#clock.monotonic())
      if (!making.fail(error)) this.#onProblem('a standby sandbox could not be made', error)
    } finally {
      shelf.endMaking(making)
    }
  }

  // ---- letting go ----

  /** Somebody waits for a place: an idle sandbox gives up its own. Warm ones first: they serve one tenant only. */
  #makeRoom(): void {
    const fullest = [...this.#shelves.values()].reduce<Shelf | undefined>(
      (most, shelf) => (shelf.ready > (most?.ready ?? 0) ? shelf : most),
      undefined,
    )
    const idle = this.#warm.takeOldest() ?? fullest?.takeOldest()
    if (idle !== undefined) this.#dispose(idle)
  }

  /** Destroys later, and gives its place back when nothing is left of it. */
  #dispose(sandbox: Sandbox): void {
    const gone = this.#destroyers
      .run({ urgency: 'patient' }, () => sandbox.destroy())
      .catch((error) => this.#onProblem('a sandbox could not be destroyed', error))
      .then(() => this.#admission.leave())
    this.#track(gone)
  }

  #track(work: Promise<void>): void {
    this.#background.add(work)
    void work.finally(() => this.#background.delete(work))
  }

  // ---- time ----

  #tick(): void {
    if (this.#closing !== undefined) return
    const nowMs = this.#clock.monotonic()
    this.#memoryAvailableBytes = this.#readMemory().availableBytes
    this.#admission.memoryShort = this.#memoryAvailableBytes < this.#settings.memoryReserveBytes
    for (const sandbox of this.#warm.takeExpired(nowMs)) this.#dispose(sandbox)
    for (const [key, shelf] of this.#shelves) {
      if (shelf.forgettable(nowMs)) this.#shelves.delete(key)
      else this.#balance(shelf, nowMs)
    }
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick())
  }

  /** Shrinks by one at a time: demand that comes back a moment later finds most of it still there. */
  #balance(shelf: Shelf, nowMs: number): void {
    const { surplus } = shelf.plan(nowMs, this.#memoryAvailableBytes)
    const extra = surplus > 0 ? shelf.takeOldest() : undefined
    if (extra !== undefined) this.#dispose(extra)
    else this.#refill(shelf)
  }

  async #drain(): Promise<void> {
    this.#timer?.cancel()
    this.#admission.close(new ClocheError('shutting_down', {}))
    if (this.#leased.size > 0) {
      const released = Promise.withResolvers<void>()
      this.#allReleased = released.resolve
      const timer = this.#clock.after(this.#settings.drainMs, released.resolve)
      await released.promise
      timer.cancel()
    }
    for (const sandbox of this.#leased) this.#dispose(sandbox)
    this.#leased.clear()
    for (let idle = this.#warm.takeOldest(); idle !== undefined; idle = this.#warm.takeOldest())
      this.#dispose(idle)
    for (const shelf of this.#shelves.values()) {
      for (let idle = shelf.takeOldest(); idle !== undefined; idle = shelf.takeOldest()) this.#dispose(idle)
    }
    // What is being made or reset ends in a dispose of its own, so waiting once is not enough.
    while (this.#background.size > 0) await Promise.all(this.#background)
  }
}

function ignore(): void {}
