import { ClocheError } from '../model/errors.ts'
import type { Clock, Timer } from '../std/clock.ts'
import { FairQueue } from './fair-queue.ts'

export interface AdmissionSettings {
  /** Sandboxes that may exist at once, whatever they are for. */
  readonly maxSandboxes: number
  readonly queueLimit: number
  readonly queueDeadlineMs: number
}

interface Waiter {
  readonly admit: () => void
  readonly refuse: (reason: unknown) => void
}

/**
 * Who may make another sandbox. A place is taken before one is made and given back when nothing of it is left. Without a free
 * place one waits in a bounded queue, tenants in turns, until a deadline.
 */
export class Admission {
  readonly #settings: AdmissionSettings
  readonly #clock: Clock
  readonly #queue: FairQueue<Waiter>
  readonly #wanted: () => void
  #taken = 0
  #memoryShort = false
  #closed: { readonly reason: unknown } | undefined

  /** `wanted` is called when somebody has to wait: whoever holds idle sandboxes should let go of one. */
  constructor(settings: AdmissionSettings, clock: Clock, wanted: () => void) {
    this.#settings = settings
    this.#clock = clock
    this.#queue = new FairQueue(settings.queueLimit)
    this.#wanted = wanted
  }

  get taken(): number {
    return this.#taken
  }

  get waiting(): number {
    return this.#queue.length
  }

  /** While memory is short nobody is admitted who would make a sandbox, unless there is none at all. */
  set memoryShort(short: boolean) {
    this.#memoryShort = short
    this.#admit()
  }

  /** A place right now, for what nobody waits for. */
  tryEnter(): boolean {
    if (this.#queue.length > 0 || !this.#hasRoom()) return false
    this.#taken++
    return true
  }

  /** Rejects with `queue_full` or `queue_timeout`, or with the signal's reason. */
  enter(tenant: string, signal?: AbortSignal): Promise<void> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed.reason)
    if (this.tryEnter()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const settle = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
      }
      const admit = (): void => {
        settle()
        resolve()
      }
      const refuse = (reason: unknown): void => {
        settle()
        reject(reason)
      }
      const leave = this.#queue.add(tenant, { admit, refuse })
      if (leave === undefined) return reject(this.#full())
      const giveUp = (reason: unknown): void => {
        leave()
        refuse(reason)
      }
      const onAbort = (): void => giveUp(signal?.reason)
      const timer: Timer = this.#clock.after(this.#settings.queueDeadlineMs, () => giveUp(this.#late()))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#wanted()
    })
  }

  /** Everybody who waits is sent away with the reason, and nobody waits any more. */
  close(reason: unknown): void {
    this.#closed = { reason }
    for (let waiter = this.#queue.next(); waiter !== undefined; waiter = this.#queue.next())
      waiter.refuse(reason)
  }

  leave(): void {
    this.#taken--
    this.#admit()
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#hasRoom()) {
      this.#taken++
      this.#queue.next()?.admit()
    }
  }

  #hasRoom(): boolean {
    return this.#taken === 0 || (!this.#memoryShort && this.#taken < this.#settings.maxSandboxes)
  }

  #full(): ClocheError {
    return new ClocheError('queue_full', { capacity: this.#settings.queueLimit, retryAfterMs: 1000 })
  }

  #late(): ClocheError {
    return new ClocheError('queue_timeout', { waitedMs: this.#settings.queueDeadlineMs, retryAfterMs: 1000 })
  }
}
