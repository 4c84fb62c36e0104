// Whether a failed request may be sent again. The one rule: code never runs twice unless the caller allowed it. So a
// request is repeated only when it certainly did not run (the connection was refused, or the server turned it away and
// said when to come back), or when it carries an idempotency key or changes nothing.

export type Failure =
  | { readonly kind: 'unreached' }
  | { readonly kind: 'lost' }
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly retryable: boolean
      readonly retryAfterMs: number | undefined
    }

export interface Attempt {
  readonly failure: Failure
  /** Counted from 0: how many times it has been sent again already. */
  readonly retries: number
  readonly maxRetries: number
  /** Sending it twice has the effect of sending it once. */
  readonly repeatable: boolean
  /** From 0 to 1; spreads clients that failed together. */
  readonly random: number
}

const firstWaitMs = 100
const longestWaitMs = 10_000
/** A server that asks for more patience than this is answered with the error instead. */
const longestRetryAfterMs = 60_000

/** How long to wait before the next attempt, or undefined when there must be none. */
export function retryDelayMs({
  failure,
  retries,
  maxRetries,
  repeatable,
  random,
}: Attempt): number | undefined {
  if (retries >= maxRetries) return undefined
  const backoffMs = Math.min(longestWaitMs, firstWaitMs * 2 ** retries) * (0.5 + random / 2)
  switch (failure.kind) {
    case 'unreached':
      return backoffMs
    case 'lost':
      return repeatable ? backoffMs : undefined
    case 'answered':
      if (turnedAway(failure.status) && failure.retryAfterMs !== undefined) {
        return failure.retryAfterMs <= longestRetryAfterMs
          ? Math.max(failure.retryAfterMs, backoffMs)
          : undefined
      }
      return repeatable && failure.retryable ? backoffMs : undefined
  }
}

function turnedAway(status: number): boolean {
  return status === 429 || status === 503
}

/** `Retry-After` in milliseconds: seconds, or a date as HTTP allows too. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
