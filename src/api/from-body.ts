import { DEFAULT_CWD, type ExecutionRequest, type InputFile, type Program } from '../execution/request.ts'
import { fail } from '../model/errors.ts'
import { AVAILABLE_MODES, type Mode } from '../model/execution.ts'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUT_MS, type ResourceLimits } from '../model/limits.ts'
import type { ExecuteBody } from './schema/execute-request.ts'

/** What this server gives one execution at most; the schema's own bounds are what any server could give. */
export interface Ceilings {
  readonly limits: ResourceLimits
  readonly timeoutMs: number
}

export interface Extras {
  /** Files that came beside the JSON. */
  readonly uploads?: readonly InputFile[]
  /** The caller goes on sending input. */
  readonly interactive?: boolean
}

const DEFAULT_RESULT_TTL_MS = 3_600_000
const DEFAULT_FILE_MODE = 0o644
const MIB = 1024 ** 2

/** A checked body as the request that is carried out. Fails with `mode_not_available` or `limit_too_high`. */
export function requestFromBody(
  body: ExecuteBody,
  ceilings: Ceilings,
  extras: Extras = {},
): ExecutionRequest {
  const mode = availableMode(body)
  return {
    program: programOf(body),
    env: body.env ?? {},
    cwd: body.cwd ?? DEFAULT_CWD,
    stdin: stdinOf(body),
    interactive: extras.interactive ?? false,
    pty: body.pty ?? null,
    files: [...filesOf(body), ...(extras.uploads ?? [])],
    outputs: body.outputs ?? [],
    limits: limitsOf(body, ceilings),
    timeoutMs: bounded(
      'timeoutMs',
      body.timeoutMs ?? Math.min(DEFAULT_TIMEOUT_MS, ceilings.timeoutMs),
      ceilings.timeoutMs,
    ),
    network: body.network ?? 'none',
    mode,
    environment: typeof body.environment === 'string' ? { name: body.environment } : specOf(body),
    resultTtlMs: resultTtlOf(body),
    idempotencyKey: body.idempotencyKey ?? null,
  }
}

function availableMode(body: ExecuteBody): 'ephemeral' | 'cached' {
  const implied: Mode | undefined =
    body.parentSnapshot !== undefined
      ? 'branched'
      : body.checkpointAfter === true
        ? 'checkpointed'
        : undefined
  const mode = body.mode === undefined || body.mode === 'ephemeral' ? (implied ?? 'ephemeral') : body.mode
  if (mode === 'ephemeral' || mode === 'cached') return mode
  return fail('mode_not_available', { mode, available: AVAILABLE_MODES })
}

function programOf(body: ExecuteBody): Program {
  if (body.command !== undefined) return { kind: 'command', argv: body.command }
  if (body.code === undefined || body.language === undefined) throw new Error('an unchecked body')
  return { kind: 'code', language: body.language, code: body.code, args: body.args ?? [] }
}

function stdinOf({ stdin }: ExecuteBody): Buffer | null {
  if (stdin === undefined) return null
  return typeof stdin === 'string' ? Buffer.from(stdin) : Buffer.from(stdin.base64, 'base64')
}

function filesOf(body: ExecuteBody): InputFile[] {
  return Object.entries(body.files ?? {}).map(([path, file]) => {
    if (typeof file === 'string') return { path, mode: DEFAULT_FILE_MODE, content: Buffer.from(file) }
    const content =
      file.base64 === undefined ? Buffer.from(file.text ?? '') : Buffer.from(file.base64, 'base64')
    return { path, mode: file.mode ?? DEFAULT_FILE_MODE, content }
  })
}

function limitsOf({ resources = {} }: ExecuteBody, { limits: most }: Ceilings): ResourceLimits {
  const orDefault = (given: number | undefined, field: keyof ResourceLimits): number =>
    given ?? Math.min(DEFAULT_LIMITS[field], most[field])
  const { cpuCores, memoryMb, diskMb, pids } = resources
  const scaled = (value: number | undefined, by: number): number | undefined =>
    value === undefined ? undefined : Math.round(value * by)
  return {
    cpuMillis: bounded(
      'resources.cpuCores',
      orDefault(scaled(cpuCores, 1000), 'cpuMillis'),
      most.cpuMillis,
      1000,
    ),
    memoryBytes: bounded(
      'resources.memoryMb',
      orDefault(scaled(memoryMb, MIB), 'memoryBytes'),
      most.memoryBytes,
      MIB,
    ),
    diskBytes: bounded('resources.diskMb', orDefault(scaled(diskMb, MIB), 'diskBytes'), most.diskBytes, MIB),
    pids: bounded('resources.pids', orDefault(pids, 'pids'), most.pids),
  }
}

/** `unit` is what the caller's number is in. */
function bounded(what: string, value: number, most: number, unit = 1): number {
  if (value > most) fail('limit_too_high', { what, given: String(value / unit), limit: String(most / unit) })
  return value
}

function specOf({ environment }: ExecuteBody): ExecutionRequest['environment'] {
  return environment === undefined || typeof environment === 'string' ? null : { spec: environment }
}

function resultTtlOf({ resultCache }: ExecuteBody): number | null {
  if (resultCache === undefined || resultCache === false) return null
  return resultCache === true ? DEFAULT_RESULT_TTL_MS : (resultCache.ttlMs ?? DEFAULT_RESULT_TTL_MS)
}
