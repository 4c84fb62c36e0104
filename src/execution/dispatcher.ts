import type { Clock } from '../std/clock.ts'

export interface DispatcherSettings {
  /** Runs at a time. */
  readonly concurrency: number
  /** A run that found no room is tried again this much later, doubling up to the longest. */
  readonly firstRetryMs: number
  readonly longestRetryMs: number
}

/** done: nothing more to do for it · later: it has not begun, and may work later. */
export type DispatchOutcome = 'done' | 'later'

/**
 * Works off accepted executions: first come, first served, a bounded number at a time. What cannot begin for lack of room
 * or of a working driver waits and is tried again; it is never dropped, since its caller was told it was accepted.
 */
export class Dispatcher<Item> {
  readonly #settings: DispatcherSettings
  readonly #clock: Clock
  readonly #run: (item: Item) => Promise<DispatchOutcome>
  readonly #queue: Item[] = []
  readonly #running = new Set<Promise<void>>()
  #retryMs: number
  #resting = false
  #stopped = false

  constructor(settings: DispatcherSettings, clock: Clock, run: (item: Item) => Promise<DispatchOutcome>) {
    this.#settings = settings
    this.#clock = clock
    this.#run = run
    this.#retryMs = settings.firstRetryMs
  }

  get waiting(): number {
    return this.#queue.length
  }

  get running(): number {
    return this.#running.size
  }

  add(item: Item): void {
    this.#queue.push(item)
    this.#fill()
  }

  /** Begins nothing more; resolves when what runs has ended. What waits stays accepted. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  #fill(): void {
    while (!this.#stopped && !this.#resting && this.#running.size < this.#settings.concurrency) {
      const item = this.#queue.shift()
      if (item === undefined) return
      const run = this.#one(item)
      this.#running.add(run)
      void run.finally(() => {
        this.#running.delete(run)
        this.#fill()
      })
    }
  }

  async #one(item: Item): Promise<void> {
    const outcome = await this.#run(item)
    if (outcome === 'done') {
      this.#retryMs = this.#settings.firstRetryMs
      return
    }
    this.#queue.unshift(item)
    this.#rest()
  }

  #rest(): void {
    if (this.#resting) return
    this.#resting = true
    this.#clock.after(this.#retryMs, () => {
      this.#resting = false
      this.#fill()
    })
    this.#retryMs = Math.min(this.#settings.longestRetryMs, this.#retryMs * 2)
  }
}
