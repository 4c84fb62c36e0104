/* What each error code needs to be told: code that fails gives facts, the registry makes the words. */

/** caller: the request · program: the code that ran · platform: us. */
export type Fault = 'caller' | 'program' | 'platform'

/** One thing wrong with a request: where (`files["a.txt"].mode`, empty for the whole body) and what. */
export interface Problem {
  readonly path: string
  readonly message: string
}

type Retry = { readonly retryAfterMs?: number }
type None = Readonly<Record<never, never>>

/** The facts each code needs; `retryAfterMs` becomes the retry-after header. */
export interface CodeDetails {
  invalid_request: { readonly problems: readonly Problem[] }
  invalid_json: { readonly reason: string }
  unsupported_media_type: { readonly given: string; readonly supported: readonly string[] }
  payload_too_large: { readonly what: string; readonly limitBytes: number }
  unauthorized: { readonly reason: 'missing' | 'malformed' | 'unknown' }
  key_expired: { readonly expiredAt: number }
  key_revoked: None
  forbidden: { readonly neededScope: string }
  not_found: { readonly what: string; readonly id: string }
  route_not_found: { readonly method: string; readonly path: string }
  method_not_allowed: { readonly method: string; readonly allowed: readonly string[] }
  conflict: { readonly what: string; readonly reason: string }
  idempotency_conflict: { readonly key: string }
  rate_limited: { readonly limitPerMinute: number; readonly retryAfterMs: number }
  quota_exceeded: { readonly what: string; readonly limit: number }
  limit_too_high: { readonly what: string; readonly given: string; readonly limit: string }
  mode_not_available: { readonly mode: string; readonly available: readonly string[] }
  language_unknown: { readonly language: string; readonly known: readonly string[] }
  environment_unknown: { readonly name: string }
  environment_not_ready: { readonly name: string; readonly status: string }
  environment_build_failed: { readonly name: string; readonly reason: string }
  execution_not_running: { readonly id: string; readonly status: string }
  execution_still_running: { readonly id: string; readonly status: string }
  execution_cancelled: { readonly id: string }
  output_unavailable: { readonly id: string; readonly what: string }
  request_timeout: { readonly waitedMs: number }
  slow_consumer: { readonly bufferedBytes: number }
  program_not_started: { readonly program: string; readonly reason: string }
  protocol_violation: { readonly what: string }
  output_limit_exceeded: { readonly what: string; readonly limitBytes: number }
  files_refused: { readonly reason: string }
  port_unreachable: { readonly target: string; readonly reason: string }
  network_policy_refused: { readonly target: string; readonly reason: string }
  queue_full: Retry & { readonly capacity: number }
  queue_timeout: Retry & { readonly waitedMs: number }
  sandbox_unavailable: { readonly driver: string; readonly reason: string }
  sandbox_start_failed: { readonly step: string }
  sandbox_lost: { readonly reason: string }
  execution_interrupted: { readonly id: string }
  storage_full: None
  not_ready: Retry & { readonly reason: string }
  shutting_down: Retry
  store_in_use: { readonly path: string }
  store_too_new: { readonly path: string; readonly found: number; readonly known: number }
  store_damaged: { readonly path: string; readonly reason: string }
  blob_damaged: { readonly hash: string }
  internal: None
}

export type ErrorCode = keyof CodeDetails

export interface RegistryEntry<Details> {
  readonly status: number
  readonly fault: Fault
  /** The same request may be sent again without its code having run. */
  readonly retryable: boolean
  readonly title: string
  readonly detail: (details: Details) => string
  readonly hint: string
  /** Facts as they might be, for the reference page and for reading every text by eye. */
  readonly example: Details
}

export type Entries<Codes extends ErrorCode> = { readonly [Code in Codes]: RegistryEntry<CodeDetails[Code]> }
