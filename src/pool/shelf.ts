import type { Limits, Sandbox, SandboxSpec } from '../sandbox/driver.ts'
import type { StandbySpec } from './decide-standby.ts'
import { decideStandby } from './decide-standby.ts'
import { Demand } from './demand.ts'
import { Making } from './making.ts'

/** What one shelf wants right now. */
export interface ShelfPlan {
  readonly target: number
  readonly reason: string
  /** How many more to begin making; 0 when there are enough or the last one failed just now. */
  readonly missing: number
  readonly surplus: number
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/** The ready sandboxes of one kind, and what is known of the demand for it. Knows of no other shelf. */
export class Shelf {
  readonly spec: SandboxSpec
  readonly demand: Demand = new Demand()
  readonly #standby: StandbySpec
  readonly #ready: Sandbox[] = []
  readonly #making = new Set<Making>()
  #target = 0
  #pauseMs = 0
  #pausedUntilMs = 0

  constructor(spec: SandboxSpec, standby: StandbySpec) {
    this.spec = spec
    this.#standby = standby
  }

  get ready(): number {
    return this.#ready.length
  }

  /** On their way to this shelf; what a claim waits for is not. */
  get making(): number {
    let count = 0
    for (const making of this.#making) if (!making.adopted) count++
    return count
  }

  get target(): number {
    return this.#target
  }

  /** The one made last: its pages are the warmest. Undefined when none is ready, or none can be given these limits. */
  take(limits: Limits): Sandbox | undefined {
    if (!this.#fits(limits)) return undefined
    // One that ended while it stood here stays for whoever clears it away.
    const sandbox = this.#ready.findLast((ready) => ready.endReason === undefined)
    if (sandbox !== undefined) this.drop(sandbox)
    return sandbox
  }

  /** The one that has been in the making for longest, for a claim that finds none ready. */
  adoptable(limits: Limits): Making | undefined {
    if (!this.#fits(limits)) return undefined
    for (const making of this.#making) if (!making.adopted) return making
    return undefined
  }

  /** The one made first, for whoever needs its place. */
  takeOldest(): Sandbox | undefined {
    return this.#ready.shift()
  }

  plan(nowMs: number, memoryAvailableBytes: number): ShelfPlan {
    const { target, reason } = decideStandby(
      nowMs,
      {
        arrivalsPerSecond: this.demand.perSecond(nowMs),
        burst: this.demand.burst(nowMs),
        createMs: this.demand.createMs,
        lastArrivalMs: this.demand.lastArrivalMs,
        memoryAvailableBytes,
      },
      this.#standby,
    )
    this.#target = target
    const short = target - this.#ready.length - this.making
    return {
      target,
      reason,
      missing: nowMs < this.#pausedUntilMs ? 0 : Math.max(0, short),
      surplus: Math.max(0, this.#ready.length - target),
    }
  }

  beginMaking(): Making {
    const making = new Making()
    this.#making.add(making)
    return making
  }

  /** It goes to whoever waits for it, or stands here. */
  made(making: Making, sandbox: Sandbox): void {
    this.#making.delete(making)
    this.#pauseMs = 0
    if (!making.give(sandbox)) this.#ready.push(sandbox)
  }

  /** Nothing is gained by failing in a loop: the pause doubles with every failure in a row. */
  failed(nowMs: number): void {
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
    this.#pausedUntilMs = nowMs + this.#pauseMs
  }

  /** It will not come to stand here. */
  endMaking(making: Making): void {
    this.#making.delete(making)
  }

  /** True if it was here. */
  drop(sandbox: Sandbox): boolean {
    const at = this.#ready.lastIndexOf(sandbox)
    if (at >= 0) this.#ready.splice(at, 1)
    return at >= 0
  }

  /** Nothing here, nothing coming, and nobody asks. */
  forgettable(nowMs: number): boolean {
    const last = this.demand.lastArrivalMs ?? Number.NEGATIVE_INFINITY
    return (
      this.#standby.min === 0 &&
      this.ready === 0 &&
      this.#making.size === 0 &&
      nowMs - last > this.#standby.idleMs
    )
  }

  /** The size of the writable disk is fixed when a sandbox is made; all other limits can change. */
  #fits(limits: Limits): boolean {
    return limits.diskBytes === this.spec.limits.diskBytes && limits.inodes === this.spec.limits.inodes
  }
}
