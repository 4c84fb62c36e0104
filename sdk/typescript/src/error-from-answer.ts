// The server's `{"error":{code,…}}` as the class of that code. A code this SDK does not know yet (a newer server) is
// a plain ClocheError with all its texts; an answer without that shape is not Cloche's, and says so.
import { ClocheError, type Problem, UnreadableAnswerError } from './errors.ts'
import { type ErrorFacts, errorClasses, errorFacts } from './generated/errors.ts'

export function errorFromAnswer(status: number, text: string, retryAfterMs: number | undefined): ClocheError {
  const body = parsed(text)
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  if (!isErrorBody(error)) {
    return new UnreadableAnswerError(status, `HTTP ${status}: ${text.slice(0, 200)}`)
  }
  return errorFromBody(status, error, retryAfterMs)
}

export function errorFromBody(status: number, body: unknown, retryAfterMs?: number): ClocheError {
  if (!isErrorBody(body)) return new UnreadableAnswerError(status, 'an error without a code')
  const facts: ErrorFacts | undefined = Object.hasOwn(errorFacts, body.code)
    ? errorFacts[body.code]
    : undefined
  const Class = Object.hasOwn(errorClasses, body.code)
    ? (errorClasses[body.code] ?? ClocheError)
    : ClocheError
  return new Class({
    code: body.code,
    status: status === 0 ? (facts?.status ?? 0) : status,
    fault: facts?.fault ?? (status >= 500 ? 'platform' : 'caller'),
    retryable: body.retryable === true,
    title: textOr(body.title, facts?.title ?? body.code),
    detail: textOr(body.detail, ''),
    hint: textOr(body.hint, facts?.hint ?? ''),
    requestId: textOr(body.requestId, undefined),
    retryAfterMs: retryAfterMs ?? (typeof body.retryAfterMs === 'number' ? body.retryAfterMs : undefined),
    problems: Array.isArray(body.problems) ? body.problems.filter(isProblem) : [],
  })
}

interface ErrorBody {
  readonly code: string
  readonly title?: unknown
  readonly detail?: unknown
  readonly hint?: unknown
  readonly requestId?: unknown
  readonly retryable?: unknown
  readonly retryAfterMs?: unknown
  readonly problems?: unknown
}

function isErrorBody(value: unknown): value is ErrorBody {
  return typeof value === 'object' && value !== null && 'code' in value && typeof value.code === 'string'
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    'message' in value &&
    typeof value.path === 'string' &&
    typeof value.message === 'string'
  )
}

function textOr<Other>(value: unknown, other: Other): string | Other {
  return typeof value === 'string' ? value : other
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
