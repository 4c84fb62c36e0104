/*
 * std: the few small things that several modules need and Node does not bring.
 *
 * Guarantees: nothing here knows what Cloche is, keeps state of its own beyond an id counter, does work at import time or
 * imports from another module. Does not hold: anything with a single user (it lives beside that user), or anything Node 24
 * has already (`Promise.withResolvers`, `AbortSignal.any`, `timers/promises`).
 */

/** The one source of time. Deciders take `now` as an argument; whoever waits takes a Clock, so that a test can move it. */
export interface Clock {
  /** Wall time in ms since the epoch: for records and expiry, may jump. */
  now(): number
  /** Ms with fractions from an arbitrary origin, never going back: for durations. */
  monotonic(): number
  /** Runs `action` once after `delayMs`. A timer alone does not keep the process alive. */
  after(delayMs: number, action: () => void): Timer
  /** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

export interface Timer {
  cancel(): void
}

/** setTimeout takes 32 bits; a longer delay would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, action) => {
    const handle = setTimeout(action, Math.min(delayMs, LONGEST_TIMEOUT_MS))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  sleep(delayMs, signal) {
    return sleepOn(this, delayMs, signal)
  },
}

/** A clock that stands still until a test advances it. */
export class FakeClock implements Clock {
  #elapsedMs = 0
  readonly #startMs: number
  readonly #timers = new Map<number, { dueMs: number; action: () => void }>()
  #lastTimer = 0

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs
  }

  now(): number {
    return this.#startMs + this.#elapsedMs
  }

  monotonic(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, action: () => void): Timer {
    const id = ++this.#lastTimer
    this.#timers.set(id, { dueMs: this.#elapsedMs + Math.max(0, delayMs), action })
    return { cancel: () => void this.#timers.delete(id) }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal)
  }

  /** Timers that have neither fired nor been cancelled. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Moves time on, firing what falls due in order; what a timer wakes runs before the next one fires. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs
    for (;;) {
      const next = this.#nextDue(untilMs)
      if (next === undefined) break
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs)
      this.#timers.delete(next.id)
      next.action()
      await settle()
    }
    this.#elapsedMs = untilMs
    await settle()
  }

  #nextDue(untilMs: number): { id: number; dueMs: number; action: () => void } | undefined {
    let next: { id: number; dueMs: number; action: () => void } | undefined
    for (const [id, timer] of this.#timers) {
      if (timer.dueMs <= untilMs && (next === undefined || timer.dueMs < next.dueMs)) next = { id, ...timer }
    }
    return next
  }
}

function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Lets every promise reaction that is already due run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
