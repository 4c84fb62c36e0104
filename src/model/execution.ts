import type { ErrorCode } from './errors.ts'
import { type ExecutionStatus, isFinal, mayFollow } from './execution-status.ts'
import type { BlobHash, EnvironmentId, ExecutionId, KeyId, ServerId, TenantId } from './ids.ts'
import type { ResourceLimits } from './limits.ts'

export const LANGUAGES = ['python', 'javascript', 'typescript', 'bash', 'shell'] as const
export type Language = (typeof LANGUAGES)[number]

/** ephemeral: a fresh sandbox, destroyed after · cached: a warm one of the same tenant and environment, reset between runs. */
export const MODES = ['ephemeral', 'cached', 'checkpointed', 'branched', 'persistent'] as const
export type Mode = (typeof MODES)[number]
export const AVAILABLE_MODES: readonly Mode[] = ['ephemeral', 'cached']

/**
 * How the code came to run, as it happened: cold (a new sandbox and an exec) · fork (a new sandbox cloned from a warm
 * interpreter) · standby (a sandbox booted before the request) · warm (a used one of the same tenant, reset) · replay (no
 * run at all: an earlier result, asked for with `resultCache`).
 */
export const START_KINDS = ['cold', 'fork', 'standby', 'warm', 'replay'] as const
export type StartKind = (typeof START_KINDS)[number]

/** Bytes that are kept: in the record while they are few, else in a blob. */
export type Kept =
  | { readonly bytes: number; readonly text: string; readonly encoding: 'utf8' | 'base64' }
  | { readonly bytes: number; readonly blob: BlobHash }

/** One output stream. `producedBytes` counts all that came; what was beyond the cap was dropped. */
export interface StreamRecord {
  readonly producedBytes: number
  readonly truncated: boolean
  readonly kept: Kept
}

export interface OutputFile {
  readonly path: string
  /** null: the program left nothing under that path. */
  readonly kept: Kept | null
}

/** Where the time went, in ms with fractions, measured on the host's clock. */
export interface Phases {
  readonly queueMs: number
  readonly startMs: number
  readonly runMs: number
  /** Finer steps by name (`cloneMs`, `mountMs`, `filesMs` …). */
  readonly [step: `${string}Ms`]: number
}

export interface ExecutionRecord {
  readonly id: ExecutionId
  readonly tenantId: TenantId
  readonly keyId: KeyId | null
  /** The server that accepted it, or took it over at its start. */
  readonly serverId: ServerId
  /** Counts the transitions; of two versions of a record the higher one is the truth. */
  readonly revision: number
  readonly status: ExecutionStatus
  /** Answered 202 before it ran: survives the server, and is run by the next one if it had not begun. */
  readonly isAsync: boolean
  readonly language: Language | null
  readonly mode: Mode
  readonly environmentId: EnvironmentId | null
  readonly limits: ResourceLimits
  readonly timeoutMs: number
  /** The whole request as JSON; kept for async ones, which must be able to run later. */
  readonly request: Kept | null
  readonly createdAt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: StreamRecord | null
  readonly stderr: StreamRecord | null
  readonly outputs: readonly OutputFile[]
  readonly durationMs: number | null
  readonly phases: Phases | null
  readonly cpuTimeMs: number | null
  readonly peakMemoryBytes: number | null
  readonly startKind: StartKind | null
  /** Why it ended otherwise than by the program's own exit. */
  readonly error: { readonly code: ErrorCode; readonly detail: string } | null
}

type Given =
  | 'id'
  | 'tenantId'
  | 'keyId'
  | 'serverId'
  | 'isAsync'
  | 'language'
  | 'mode'
  | 'limits'
  | 'timeoutMs'
  | 'createdAt'

/** What a request decides about its execution. */
export type NewExecution = Pick<ExecutionRecord, Given> &
  Partial<Pick<ExecutionRecord, 'environmentId' | 'request'>>

/** What a transition may add: everything that is not fixed from the start. */
export type ExecutionChanges = Partial<Omit<ExecutionRecord, Given | 'revision' | 'status'>> & {
  readonly serverId?: ServerId
}

export function newExecution(given: NewExecution): ExecutionRecord {
  return {
    environmentId: null,
    request: null,
    ...given,
    revision: 0,
    status: 'accepted',
    startedAt: null,
    finishedAt: null,
    exitCode: null,
    signal: null,
    stdout: null,
    stderr: null,
    outputs: [],
    durationMs: null,
    phases: null,
    cpuTimeMs: null,
    peakMemoryBytes: null,
    startKind: null,
    error: null,
  }
}

/**
 * The only way a record gets another status. An illegal step is a defect of the platform and throws; whoever can race
 * with an end (cancel, time-out) asks `mayFollow` first, and the first cause of an end wins.
 */
export function transition(
  record: ExecutionRecord,
  to: ExecutionStatus,
  nowMs: number,
  changes: ExecutionChanges = {},
): ExecutionRecord {
  if (!mayFollow(record.status, to)) {
    throw new Error(`execution ${record.id} is ${record.status}, which ${to} cannot follow`)
  }
  return {
    ...record,
    ...(to === 'running' ? { startedAt: nowMs } : {}),
    ...(isFinal(to) ? { finishedAt: nowMs } : {}),
    ...changes,
    status: to,
    revision: record.revision + 1,
  }
}

/** Every blob a record needs; retention frees those that no record needs any more. */
export function blobsOf(record: ExecutionRecord): BlobHash[] {
  const kept = [
    record.request,
    record.stdout?.kept,
    record.stderr?.kept,
    ...record.outputs.map((output) => output.kept),
  ]
  const hashes = kept.flatMap((one) => (one != null && 'blob' in one ? [one.blob] : []))
  return [...new Set(hashes)]
}
