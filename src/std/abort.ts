import type { Clock } from './clock.ts'

/**
 * Waits for `work`, or rejects with the signal's reason as soon as it aborts. The work itself is not stopped: pass it the
 * signal too wherever it can take one.
 */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  if (signal.aborted) {
    work.catch(() => {})
    return Promise.reject(signal.reason)
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    const letGo = (): void => signal.removeEventListener('abort', onAbort)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(
      (value) => {
        letGo()
        resolve(value)
      },
      (error: unknown) => {
        letGo()
        reject(error)
      },
    )
  })
}

export interface Deadline {
  /** Aborts when the time is over (with what `reason` makes) or when the outer signal does (with its reason). */
  readonly signal: AbortSignal
  readonly expired: boolean
  /** Stops the timer and lets go of the outer signal. Must be called when the waiting is over. */
  clear(): void
}

/** A signal that also aborts after `delayMs`. Unlike AbortSignal.timeout it follows the clock and can be cleared. */
export function deadline(clock: Clock, delayMs: number, reason: () => Error, outer?: AbortSignal): Deadline {
  const controller = new AbortController()
  let expired = false
  const onOuter = (): void => {
    timer.cancel()
    controller.abort(outer?.reason)
  }
  const timer = clock.after(delayMs, () => {
    expired = true
    outer?.removeEventListener('abort', onOuter)
    controller.abort(reason())
  })
  if (outer?.aborted) onOuter()
  else outer?.addEventListener('abort', onOuter, { once: true })
  return {
    signal: controller.signal,
    get expired() {
      return expired
    },
    clear() {
      timer.cancel()
      outer?.removeEventListener('abort', onOuter)
    },
  }
}
