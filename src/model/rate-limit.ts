const WINDOW_MS = 60_000
/** Above this many tracked keys the full buckets are dropped: they are the same as untracked ones. */
const SWEEP_ABOVE = 1024

/** A bucket that holds a minute's worth of requests and refills evenly: full again a minute after the last one at most. */
export interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

export interface RateVerdict {
  readonly allowed: boolean
  readonly limit: number
  /** Requests that would be allowed right now. */
  readonly remaining: number
  /** Until one request is allowed; 0 when one is. */
  readonly retryAfterMs: number
  /** Until the whole limit is there again. */
  readonly resetMs: number
}

/** Pure: the bucket before, the time, the limit → the verdict and the bucket after. A refused request costs nothing. */
export function takeToken(
  bucket: Bucket | undefined,
  limitPerMinute: number,
  nowMs: number,
): { readonly bucket: Bucket; readonly verdict: RateVerdict } {
  const perMs = limitPerMinute / WINDOW_MS
  const before = bucket ?? { tokens: limitPerMinute, atMs: nowMs }
  // A clock that steps back gives nothing and takes nothing.
  const elapsedMs = Math.max(0, nowMs - before.atMs)
  const available = Math.min(limitPerMinute, before.tokens + elapsedMs * perMs)
  // Sums of fractions end up just below the whole number they mean.
  const allowed = available >= 1 - 1e-9
  const tokens = allowed ? Math.max(0, available - 1) : available
  const verdict: RateVerdict = {
    allowed,
    limit: limitPerMinute,
    remaining: Math.floor(tokens + 1e-9),
    retryAfterMs: allowed ? 0 : Math.ceil((1 - available) / perMs),
    resetMs: Math.ceil((limitPerMinute - tokens) / perMs),
  }
  return { bucket: { tokens, atMs: nowMs }, verdict }
}

/** One bucket for each subject (a key's id). The state is this process's own and starts full. */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>()
  #sweepAbove = SWEEP_ABOVE

  take(subject: string, limitPerMinute: number, nowMs: number): RateVerdict {
    const { bucket, verdict } = takeToken(this.#buckets.get(subject), limitPerMinute, nowMs)
    this.#buckets.set(subject, bucket)
    if (this.#buckets.size > this.#sweepAbove) this.#sweep(nowMs)
    return verdict
  }

  /** Subjects whose bucket is kept. */
  get size(): number {
    return this.#buckets.size
  }

  #sweep(nowMs: number): void {
    for (const [subject, bucket] of this.#buckets) {
      if (nowMs - bucket.atMs >= WINDOW_MS) this.#buckets.delete(subject)
    }
    this.#sweepAbove = Math.max(SWEEP_ABOVE, this.#buckets.size * 2)
  }
}
