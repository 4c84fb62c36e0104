import type { ErrorCode } from '../model/errors.ts'
import type { ExecutionStatus } from '../model/execution-status.ts'
import type { EndReason, ExitStatus } from '../sandbox/driver.ts'

/** Why the host put an end to a run; the first one counts. */
export type HostCause = 'timeout' | 'cancelled' | 'shutdown'

export interface Ending {
  readonly hostCause: HostCause | undefined
  /** How the program ended, unless its sandbox was gone first. */
  readonly exit: ExitStatus | undefined
  readonly sandboxEnd: EndReason | undefined
  /** The kernel's counter rose during the run. */
  readonly oomKilled: boolean
  /** The error of whatever kept the program from starting or ending properly. */
  readonly failure: { readonly code: ErrorCode; readonly detail: string } | undefined
}

export interface Verdict {
  readonly status: Extract<ExecutionStatus, 'succeeded' | 'failed' | 'timeout' | 'oom' | 'killed'>
  readonly exitCode: number | null
  readonly signal: string | null
  readonly error: { readonly code: ErrorCode; readonly detail: string } | null
}

/** How a run went, from everything that was seen of its end. Pure. */
export function judge(ending: Ending): Verdict {
  const { hostCause, exit, sandboxEnd, oomKilled, failure } = ending
  const ended = { exitCode: exit?.code ?? null, signal: exit?.signal ?? null, error: null }
  // A program that ended by itself at the last moment was not ended by the host.
  if (exit?.code === 0) return { ...ended, status: 'succeeded' }
  if (hostCause === 'timeout') return { status: 'timeout', exitCode: null, signal: 'SIGKILL', error: null }
  if (hostCause === 'cancelled') return { status: 'killed', exitCode: null, signal: 'SIGKILL', error: null }
  if (hostCause === 'shutdown') {
    return {
      ...ended,
      status: 'killed',
      error: { code: 'shutting_down', detail: 'The server stopped before the program did.' },
    }
  }
  if (oomKilled || sandboxEnd?.cause === 'oom') {
    return { ...ended, signal: exit === undefined ? 'SIGKILL' : ended.signal, status: 'oom' }
  }
  if (exit !== undefined) return { ...ended, status: 'failed' }
  if (sandboxEnd?.cause === 'protocol_error') {
    return { status: 'killed', exitCode: null, signal: 'SIGKILL', error: failure ?? null }
  }
  return { ...ended, status: 'failed', error: failure ?? null }
}
