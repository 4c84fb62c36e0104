/* What passes between the server's thread and the store's: plain data in both directions, many at a time. */
import { ClocheError, type CodeDetails, type ErrorCode } from '../model/errors.ts'

export interface Request {
  readonly id: number
  readonly name: string
  readonly input: unknown
}

export type Reply =
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly failure: Failure }

/** An error as data: ours by code and facts, others by what they say. */
export type Failure =
  | { readonly code: ErrorCode; readonly details: CodeDetails[ErrorCode] }
  | { readonly foreign: string; readonly diskFull: boolean }

export type FromThread =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'closed' }

export type ToThread =
  | { readonly kind: 'requests'; readonly requests: readonly Request[] }
  | { readonly kind: 'close' }

export function toFailure(error: unknown, isDiskFull: (error: unknown) => boolean): Failure {
  if (error instanceof ClocheError) return { code: error.code, details: error.details }
  const foreign = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { foreign, diskFull: isDiskFull(error) }
}

export function fromFailure(failure: Failure): ClocheError {
  if ('code' in failure) return new ClocheError(failure.code, failure.details)
  return new ClocheError(
    failure.diskFull ? 'storage_full' : 'internal',
    {},
    { cause: new Error(failure.foreign) },
  )
}
