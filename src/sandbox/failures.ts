import { ClocheError } from '../model/errors.ts'
import type { EndReason } from './driver.ts'

/*
 * Every way this module fails, by the facts that are known where it happens. Words and statuses live in the registry.
 */

export function sandboxUnavailable(driver: string, reason: string, cause?: unknown): ClocheError {
  return new ClocheError('sandbox_unavailable', { driver, reason }, { cause })
}

export function sandboxStartFailed(step: string, cause?: unknown): ClocheError {
  return new ClocheError('sandbox_start_failed', { step }, { cause })
}

export function sandboxEnded(end: EndReason): ClocheError {
  if (end.cause === 'protocol_error') return new ClocheError('protocol_violation', { what: end.detail })
  return new ClocheError('sandbox_lost', { reason: end.detail })
}

/** `said` is what the sandbox answers: bounded, and shown as text only. */
export function programNotStarted(program: string, said: string): ClocheError {
  return new ClocheError('program_not_started', { program, reason: said })
}

export function payloadTooLarge(what: string, limitBytes: number): ClocheError {
  return new ClocheError('payload_too_large', { what, limitBytes })
}

export function execInvalid(message: string): ClocheError {
  return new ClocheError('invalid_request', { problems: [{ path: '', message }] })
}

export function filesRefused(reason: string): ClocheError {
  return new ClocheError('files_refused', { reason })
}

export function filesTooLarge(limitBytes: number): ClocheError {
  return new ClocheError('output_limit_exceeded', { what: 'All output files together', limitBytes })
}

export function portUnreachable(target: string, reason: string): ClocheError {
  return new ClocheError('port_unreachable', { target, reason })
}
