/** Waiting for conditions instead of sleeping: polls until the probe gives a value, fails with what was last seen. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Patience {
  readonly withinMs: number
  readonly everyMs?: number
  readonly what: string
}

/** Resolves with the first value of `probe` that is neither false nor undefined. */
export async function eventually<T>(
  probe: () => T | false | undefined | Promise<T | false | undefined>,
  patience: Patience,
): Promise<T> {
  const deadline = performance.now() + patience.withinMs
  let lastError: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== false && value !== undefined) return value
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${patience.withinMs} ms: ${patience.what}`, { cause: lastError })
    }
    await delay(patience.everyMs ?? 25)
  }
}

/** The value of a promise, or a failure naming what was awaited once the time is up. */
export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  const timer = new AbortController()
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not within ${ms} ms: ${what}`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
    late.catch(() => {})
  }
}
