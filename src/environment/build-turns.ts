import { ClocheError } from '../model/errors.ts'
import { FairQueue } from '../pool/fair-queue.ts'

/** So many builds at once and no more; who waits is served by tenants in turns. */
export class BuildTurns {
  readonly #waiting: FairQueue<() => void>
  #free: number

  constructor(atOnce: number, waiting: number) {
    this.#free = atOnce
    this.#waiting = new FairQueue(waiting)
  }

  /** Rejects with `queue_full`, or with the signal's reason. */
  async run<T>(tenant: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    await this.#enter(tenant, signal)
    try {
      return await work()
    } finally {
      const next = this.#waiting.next()
      if (next === undefined) this.#free++
      else next()
    }
  }

  #enter(tenant: string, signal: AbortSignal): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const admitted = (): void => {
        signal.removeEventListener('abort', aborted)
        resolve()
      }
      const leave = this.#waiting.add(tenant, admitted)
      const aborted = (): void => {
        leave?.()
        reject(signal.reason)
      }
      if (leave === undefined)
        return reject(
          new ClocheError('queue_full', { capacity: this.#waiting.capacity, retryAfterMs: 10_000 }),
        )
      signal.addEventListener('abort', aborted, { once: true })
    })
  }
}
