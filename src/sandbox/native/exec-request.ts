import {
  ExecFieldError,
  type ExecFields,
  ExecFlag,
  ExecTooLarge,
  encodeExec,
  MAX_EXEC_BYTES,
} from '../../protocol/exec.ts'
import { encodeJob } from '../../protocol/job.ts'
import type { ExecSpec } from '../driver.ts'
import { execInvalid, payloadTooLarge } from '../failures.ts'

/** What is sent to start a program, and what the host must remember of it. */
export interface ExecRequest {
  readonly frames: Buffer
  /** What to call it when it could not be started. */
  readonly program: string
  readonly stdin: boolean
  readonly pty: boolean
}

/** Fails with `payload_too_large` or `invalid_request` for what init would refuse. */
export function execRequest(spec: ExecSpec): ExecRequest {
  const what: Omit<ExecFields, 'flags'> =
    spec.kind === 'job' ? { job: encodeJob(spec.job) } : { args: spec.argv, env: spec.env, cwd: spec.cwd }
  const pty = spec.pty !== undefined
  return {
    frames: encode({ ...what, flags: flagsOf(spec), ...(spec.pty && { windowSize: spec.pty }) }),
    program: spec.kind === 'job' ? spec.job.language : (spec.argv[0] ?? ''),
    stdin: spec.stdin,
    pty,
  }
}

/** A helper that is part of init, run as the user. */
export function builtinRequest(args: readonly string[], stdin: boolean): ExecRequest {
  const frames = encode({ args, flags: ExecFlag.builtin | (stdin ? ExecFlag.stdin : 0) })
  return { frames, program: args[0] ?? '', stdin, pty: false }
}

function flagsOf(spec: ExecSpec): number {
  let flags = 0
  if (spec.stdin) flags |= ExecFlag.stdin
  if (spec.pty !== undefined) flags |= ExecFlag.pty
  if (spec.kind === 'job') flags |= ExecFlag.runtime | (spec.keep ? ExecFlag.keep : 0)
  return flags
}

function encode(fields: ExecFields): Buffer {
  try {
    return encodeExec(fields)
  } catch (error) {
    if (error instanceof ExecTooLarge)
      throw payloadTooLarge('arguments, environment and code', MAX_EXEC_BYTES)
    if (error instanceof ExecFieldError) throw execInvalid(error.message)
    throw error
  }
}
