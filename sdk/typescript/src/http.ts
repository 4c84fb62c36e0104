// One request of the API and its answer: key, deadline, retries, and the server's errors as typed ones. Knows nothing
// of what the requests mean; whether one may be sent twice is said by the caller (`repeatable`).

import { errorFromAnswer } from './error-from-answer.ts'
import { ClientTimeoutError, ClocheError, ConnectionError, codeOf, UnreadableAnswerError } from './errors.ts'
import type { Settings } from './options.ts'
import { type Failure, retryAfterMs, retryDelayMs } from './retry.ts'

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** A value to be sent as JSON, or a form. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Sending it twice has the effect of sending it once. */
  readonly repeatable: boolean
  /** For one attempt; the client's timeoutMs unless given. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export const sdkVersion = '0.1.0'

/** Sends the call, again where that is safe, and gives the answer; whatever is not a success throws. */
export async function send(settings: Settings, call: Call): Promise<Answer> {
  for (let retries = 0; ; retries++) {
    const outcome = await attempt(settings, call)
    if ('answer' in outcome) return outcome.answer
    const waitMs = retryDelayMs({
      failure: outcome.failure,
      retries,
      maxRetries: settings.maxRetries,
      repeatable: call.repeatable,
      random: Math.random(),
    })
    if (waitMs === undefined) throw outcome.error
    await pause(waitMs, call.signal)
  }
}

/** The answer's JSON. The types are those of the server's own OpenAPI document, held together by a drift test. */
export async function sendForJson<T>(settings: Settings, call: Call): Promise<T> {
  const answer = await send(settings, call)
  try {
    return JSON.parse(answer.text)
  } catch (error) {
    throw new UnreadableAnswerError(
      answer.status,
      `${call.method} ${call.path} did not answer with JSON`,
      error,
    )
  }
}

/** The answer's bytes as they come, for as long as they come; only the answer's beginning has a deadline. */
export async function* sendForStream(settings: Settings, call: Call): AsyncGenerator<Uint8Array, void, void> {
  const stop = new AbortController()
  const signal = call.signal === undefined ? stop.signal : AbortSignal.any([call.signal, stop.signal])
  const late = setTimeout(() => stop.abort(), call.timeoutMs ?? settings.timeoutMs)
  try {
    const response = await settings.fetch(urlOf(settings, call), { ...requestInit(settings, call), signal })
    if (!response.ok) throw errorFromAnswer(response.status, await response.text(), undefined)
    clearTimeout(late)
    if (response.body !== null) yield* response.body
  } catch (error) {
    throw error instanceof ClocheError ? error : failureOf(settings, call, error, stop.signal.aborted).error
  } finally {
    clearTimeout(late)
    stop.abort()
  }
}

type Failed = { readonly failure: Failure; readonly error: ClocheError }
type Outcome = { readonly answer: Answer } | Failed

async function attempt(settings: Settings, call: Call): Promise<Outcome> {
  const deadline = AbortSignal.timeout(call.timeoutMs ?? settings.timeoutMs)
  const signal = call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline])
  try {
    const response = await settings.fetch(urlOf(settings, call), { ...requestInit(settings, call), signal })
    const answer = { status: response.status, headers: response.headers, text: await response.text() }
    return response.ok ? { answer } : refused(answer)
  } catch (error) {
    return failureOf(settings, call, error, deadline.aborted)
  }
}

function failureOf(settings: Settings, call: Call, error: unknown, isLate: boolean): Failed {
  call.signal?.throwIfAborted()
  if (isLate)
    throw new ClientTimeoutError(`${call.method} ${call.path}`, call.timeoutMs ?? settings.timeoutMs)
  const unreached = neverArrived(error)
  return {
    failure: { kind: unreached ? 'unreached' : 'lost' },
    error: new ConnectionError(settings.endpoint, !unreached, error),
  }
}

function refused(answer: Answer): Outcome {
  const waitMs = retryAfterMs(answer.headers.get('retry-after'), Date.now())
  const error = errorFromAnswer(answer.status, answer.text, waitMs)
  return {
    failure: { kind: 'answered', status: answer.status, retryable: error.retryable, retryAfterMs: waitMs },
    error,
  }
}

export function urlOf(settings: Settings, call: Pick<Call, 'path' | 'query'>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(name, String(value))
  }
  const text = query.toString()
  return settings.endpoint + call.path + (text === '' ? '' : `?${text}`)
}

function requestInit(settings: Settings, call: Call): RequestInit {
  const headers: Record<string, string> = {
    accept: 'application/json',
    'x-cloche-client': `typescript/${sdkVersion}`,
  }
  if (settings.apiKey !== undefined) headers['authorization'] = `Bearer ${settings.apiKey}`
  if (call.body === undefined) return { method: call.method, headers: { ...headers, ...call.headers } }
  // fetch writes a form's content type itself, with the boundary it chose.
  if (call.body instanceof FormData) {
    return { method: call.method, headers: { ...headers, ...call.headers }, body: call.body }
  }
  headers['content-type'] = 'application/json'
  return { method: call.method, headers: { ...headers, ...call.headers }, body: JSON.stringify(call.body) }
}

/** Failures that come before the first byte is sent. Everything else may have reached the server. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ConnectionRefused',
])

function neverArrived(error: unknown): boolean {
  const code = codeOf(error)
  return code !== undefined && beforeSending.has(code)
}

export function pause(ms: number, signal?: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
