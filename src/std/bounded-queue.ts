/**
 * First in, first out, with a fixed number of places. A producer that finds it full is told so at once (`offer`) or waits
 * for a place (`push`); a consumer waits for an item. Items and waiters are served strictly in order.
 */
export class BoundedQueue<T extends NonNullable<unknown>> {
  readonly capacity: number
  readonly #items: T[] = []
  readonly #takers = new Set<{ give: (item: T) => void; fail: (reason: unknown) => void }>()
  readonly #putters = new Set<{ item: T; done: () => void; fail: (reason: unknown) => void }>()
  #closed: { reason: unknown } | undefined

  constructor(capacity: number) {
    if (!(capacity >= 1)) throw new RangeError(`a queue needs at least one place, not ${capacity}`)
    this.capacity = capacity
  }

  get length(): number {
    return this.#items.length
  }

  /** Takes the item if there is a place right now. */
  offer(item: T): boolean {
    if (this.#closed) return false
    const [taker] = this.#takers
    if (taker !== undefined) {
      this.#takers.delete(taker)
      taker.give(item)
      return true
    }
    if (this.#items.length >= this.capacity) return false
    this.#items.push(item)
    return true
  }

  /** Resolves when the item has a place. */
  push(item: T, signal?: AbortSignal): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed.reason)
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.offer(item)) return Promise.resolve()
    return this.#wait(this.#putters, signal, (resolve, fail) => ({
      item,
      done: () => resolve(undefined),
      fail,
    }))
  }

  /** Resolves with the oldest item; what was queued before `close` is still given out. */
  take(signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const item = this.#items.shift()
    if (item !== undefined) {
      this.#admitWaiting()
      return Promise.resolve(item)
    }
    if (this.#closed) return Promise.reject(this.#closed.reason)
    return this.#wait<T, { give: (item: T) => void; fail: (reason: unknown) => void }>(
      this.#takers,
      signal,
      (resolve, fail) => ({ give: resolve, fail }),
    )
  }

  /** Nothing more comes in; everyone who waits is refused with `reason`. */
  close(reason: unknown): void {
    if (this.#closed) return
    this.#closed = { reason }
    for (const waiter of [...this.#takers, ...this.#putters]) waiter.fail(reason)
    this.#takers.clear()
    this.#putters.clear()
  }

  #admitWaiting(): void {
    const [putter] = this.#putters
    if (putter === undefined) return
    this.#putters.delete(putter)
    this.#items.push(putter.item)
    putter.done()
  }

  #wait<R, W>(
    waiters: Set<W>,
    signal: AbortSignal | undefined,
    make: (resolve: (value: R) => void, fail: (reason: unknown) => void) => W,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const onAbort = (): void => {
        waiters.delete(waiter)
        reject(signal?.reason)
      }
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const waiter = make(
        (value) => {
          settled()
          resolve(value)
        },
        (reason) => {
          settled()
          reject(reason)
        },
      )
      waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
