// Every failure the SDK reports is a ClocheError: what happened (title and detail), what to try (hint), and a code to
// branch on. Answers of the server become the classes of generated/errors.ts; the classes here are for what goes wrong
// on this side of the wire, where no server could name a code.

/** One thing wrong with a request: where (`files["a.txt"].mode`) and what. */
export interface Problem {
  readonly path: string
  readonly message: string
}

export interface ErrorParts {
  readonly code: string
  readonly status: number
  readonly fault: string
  readonly retryable: boolean
  readonly title: string
  readonly detail: string
  readonly hint: string
  readonly requestId?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly problems?: readonly Problem[]
  readonly cause?: unknown
}

export class ClocheError extends Error {
  readonly code: string
  /** HTTP status of the answer; 0 where there was none. */
  readonly status: number
  /** Whose doing it is, as the server's registry says; `client` for what this SDK noticed itself. */
  readonly fault: string
  /** The same request may work later without being changed. Says nothing about whether it ran. */
  readonly retryable: boolean
  readonly title: string
  readonly detail: string
  readonly hint: string
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined
  /** Everything wrong with the request at once; filled for `invalid_request`. */
  readonly problems: readonly Problem[]

  constructor(parts: ErrorParts) {
    super(
      parts.detail === '' ? parts.title : `${parts.title}: ${parts.detail}`,
      parts.cause === undefined ? undefined : { cause: parts.cause },
    )
    this.name = new.target.name
    this.code = parts.code
    this.status = parts.status
    this.fault = parts.fault
    this.retryable = parts.retryable
    this.title = parts.title
    this.detail = parts.detail
    this.hint = parts.hint
    this.requestId = parts.requestId
    this.retryAfterMs = parts.retryAfterMs
    this.problems = parts.problems ?? []
  }
}

const onThisSide = { status: 0, fault: 'client' } as const

/** No answer came. `mayHaveRun` is false only when the request certainly never reached a server. */
export class ConnectionError extends ClocheError {
  readonly mayHaveRun: boolean

  constructor(endpoint: string, mayHaveRun: boolean, cause: unknown) {
    super({
      ...onThisSide,
      code: mayHaveRun ? 'connection_lost' : 'connection_failed',
      retryable: true,
      title: mayHaveRun ? 'The connection broke before the answer came' : `There is no server at ${endpoint}`,
      detail: mayHaveRun ? `${endpoint}: ${causeText(cause)}` : causeText(cause),
      hint: mayHaveRun
        ? 'The request may have been carried out: look at executions.list() before sending it again.'
        : 'Start one with `make up` or `cloche serve`, or name another with the option endpoint or CLOCHE_ENDPOINT.',
      cause,
    })
    this.mayHaveRun = mayHaveRun
  }
}

/** The client's own deadline passed; the server may still be at work. */
export class ClientTimeoutError extends ClocheError {
  constructor(what: string, timeoutMs: number) {
    super({
      ...onThisSide,
      code: 'client_timeout',
      retryable: true,
      title: 'No answer in time',
      detail: `${what} had no answer after ${timeoutMs} ms`,
      hint: 'Raise the option timeoutMs, or begin the execution without waiting, with start().',
    })
  }
}

/** An answer that is not Cloche's: usually a proxy in between, or an endpoint of something else. */
export class UnreadableAnswerError extends ClocheError {
  constructor(status: number, detail: string, cause?: unknown) {
    super({
      ...onThisSide,
      status,
      code: 'unreadable_answer',
      retryable: status === 502 || status === 503 || status === 504,
      title: 'The answer was not one of a Cloche server',
      detail,
      hint: 'Check that the endpoint is a Cloche server and that no proxy rewrites its answers.',
      cause,
    })
  }
}

/** The stream ended before the execution's exit was seen. */
export class StreamClosedError extends ClocheError {
  constructor(detail: string, cause?: unknown) {
    super({
      ...onThisSide,
      code: 'stream_closed',
      retryable: false,
      title: 'The stream ended before the execution did',
      detail,
      hint: 'Attach again with stream(executionId), or ask executions.get(executionId) how it went.',
      cause,
    })
  }
}

/** A call that could not be made as written; nothing was sent. */
export class UsageError extends ClocheError {
  constructor(detail: string, hint: string) {
    super({
      ...onThisSide,
      code: 'invalid_call',
      retryable: false,
      title: 'The call cannot be made',
      detail,
      hint,
    })
  }
}

/** The innermost reason a person can act on: fetch wraps "ECONNREFUSED" in "fetch failed". */
function causeText(cause: unknown): string {
  let innermost = cause
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause
  if (!(innermost instanceof Error)) return String(innermost)
  const code = codeOf(innermost)
  if (innermost.message !== '') return innermost.message
  return code ?? innermost.name
}

/** The system's error code (`ECONNREFUSED` …) of an error or of what it wraps. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}
