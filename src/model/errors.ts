import type { CodeDetails, ErrorCode, Fault, RegistryEntry } from './error-details.ts'
import { REGISTRY } from './error-registry.ts'

export type { CodeDetails, ErrorCode, Fault, Problem } from './error-details.ts'
export { ERROR_CODES } from './error-registry.ts'

/**
 * The one error that crosses module borders. `title`, `detail` and `hint` may be shown to the caller and name no
 * internals; what really happened underneath is `cause`, for logs only.
 */
export class ClocheError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'ClocheError'
  readonly code: Code
  readonly details: CodeDetails[Code]
  readonly status: number
  readonly fault: Fault
  /** The same request may be sent again: none of its code can have run. */
  readonly retryable: boolean
  readonly title: string
  readonly detail: string
  readonly hint: string
  /** When trying again makes sense, where that is known. */
  readonly retryAfterMs: number | undefined

  constructor(code: Code, details: CodeDetails[Code], options?: { readonly cause?: unknown }) {
    // The compiler cannot follow that one code's entry and details belong together.
    const entry = REGISTRY[code] as RegistryEntry<CodeDetails[Code]>
    const detail = entry.detail(details)
    super(`${code}: ${detail}`, options)
    this.code = code
    this.details = details
    this.status = entry.status
    this.fault = entry.fault
    this.retryable = entry.retryable
    this.title = entry.title
    this.detail = detail
    this.hint = entry.hint
    this.retryAfterMs =
      'retryAfterMs' in details && typeof details.retryAfterMs === 'number' ? details.retryAfterMs : undefined
  }

  /** The body of an answer: `{"error": …}`. Only `invalid_request` adds its list of problems. */
  toBody(requestId: string): ErrorBody {
    return {
      error: {
        code: this.code,
        title: this.title,
        detail: this.detail,
        hint: this.hint,
        retryable: this.retryable,
        requestId,
        ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
        ...('problems' in this.details ? { problems: this.details.problems } : {}),
      },
    }
  }
}

export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly title: string
    readonly detail: string
    readonly hint: string
    readonly retryable: boolean
    readonly requestId: string
    readonly retryAfterMs?: number
    readonly problems?: CodeDetails['invalid_request']['problems']
  }
}

/** Throws the error of this code. Write `throw fail(…)` where the compiler should see that nothing follows. */
export function fail<Code extends ErrorCode>(
  code: Code,
  details: CodeDetails[Code],
  options?: { readonly cause?: unknown },
): never {
  throw new ClocheError(code, details, options)
}

export function isClocheError<Code extends ErrorCode>(error: unknown, code: Code): error is ClocheError<Code>
export function isClocheError(error: unknown): error is ClocheError
export function isClocheError(error: unknown, code?: ErrorCode): boolean {
  return error instanceof ClocheError && (code === undefined || error.code === code)
}

/** Operating-system errors that have a code of their own; everything else foreign is `internal`. */
const STORAGE_FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL'])

/** The one place where foreign errors become ours. What they say stays in `cause`. */
export function asClocheError(error: unknown): ClocheError {
  if (error instanceof ClocheError) return error
  const system = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (STORAGE_FULL.has(system)) return new ClocheError('storage_full', {}, { cause: error })
  return new ClocheError('internal', {}, { cause: error })
}
