import { SCOPES } from '../../model/api-key.ts'
import { ENVIRONMENT_STATUSES } from '../../model/environment.ts'
import { LANGUAGES, MODES, START_KINDS } from '../../model/execution.ts'
import { EXECUTION_STATUSES } from '../../model/execution-status.ts'
import { environmentSpec } from './execute-request.ts'
import {
  array,
  boolean,
  integer,
  named,
  nullable,
  number,
  object,
  oneOf,
  optional,
  record,
  type Schema,
  string,
} from './schema.ts'

const time = string({ format: 'date-time' })
const encoding = oneOf(['utf8', 'base64'], { description: 'base64 where the bytes are not UTF-8.' })
const problem = object({ path: string(), message: string() })

export const errorBody = named(
  'Error',
  object({
    error: object({
      code: string(),
      title: string(),
      detail: string(),
      hint: string(),
      retryable: boolean(),
      requestId: string(),
      retryAfterMs: optional(number()),
      problems: optional(array(problem)),
    }),
  }),
)

const summaryFields = {
  executionId: string(),
  status: oneOf(EXECUTION_STATUSES),
  language: nullable(oneOf(LANGUAGES)),
  mode: oneOf(MODES),
  exitCode: nullable(integer()),
  signal: nullable(string({ description: 'The signal that ended the program.' })),
  durationMs: nullable(number({ description: 'From acceptance to the end.' })),
  startKind: nullable(oneOf(START_KINDS)),
  createdAt: time,
  startedAt: nullable(time),
  finishedAt: nullable(time),
  error: optional(
    object(
      { code: string(), detail: string() },
      { description: 'Why it ended otherwise than by its own exit.' },
    ),
  ),
  cached: optional(boolean({ description: 'An earlier result of an equal request.' })),
} as const

export const executionSummary = named('ExecutionSummary', object(summaryFields))

export const execution = named(
  'Execution',
  object({
    ...summaryFields,
    stdout: string(),
    stderr: string(),
    stdoutEncoding: encoding,
    stderrEncoding: encoding,
    truncated: object({ stdout: boolean(), stderr: boolean() }),
    stdoutBytes: integer({ description: 'Everything the program wrote, what was cut included.' }),
    stderrBytes: integer(),
    phases: nullable(record(number(), { description: 'Where the time went, in ms.' })),
    cpuTimeMs: nullable(number()),
    peakMemoryBytes: nullable(integer()),
    outputs: record(
      object({
        text: optional(string()),
        base64: optional(string()),
        size: optional(integer()),
        missing: optional(boolean()),
      }),
    ),
    environmentId: nullable(string()),
    limits: object({ cpuMillis: integer(), memoryBytes: integer(), diskBytes: integer(), pids: integer() }),
    timeoutMs: integer(),
  }),
)

export const accepted = named(
  'Accepted',
  object({ executionId: string(), status: oneOf(EXECUTION_STATUSES) }),
)

export const executionList = named(
  'ExecutionList',
  object({ executions: array(executionSummary), nextCursor: nullable(string()) }),
)

export const environment = named(
  'Environment',
  object({
    environmentId: string(),
    name: nullable(string()),
    spec: environmentSpec,
    status: oneOf(ENVIRONMENT_STATUSES),
    layerBytes: nullable(integer()),
    buildMs: nullable(number()),
    error: optional(object({ code: string(), detail: string() })),
    createdAt: time,
    updatedAt: time,
  }),
)

export const environmentList = named('EnvironmentList', object({ environments: array(environment) }))

const keyFields = {
  keyId: string(),
  tenantId: string(),
  name: string(),
  prefix: string({ description: 'Enough to recognise the key; the key itself is never shown again.' }),
  scopes: array(oneOf(SCOPES)),
  ratePerMinute: nullable(number()),
  state: oneOf(['active', 'expired', 'revoked']),
  createdAt: time,
  expiresAt: nullable(time),
  revokedAt: nullable(time),
  lastUsedAt: nullable(time),
} as const

export const key = named('Key', object(keyFields))
export const newKey = named(
  'NewKey',
  object({ key: string({ description: 'Shown only now.' }), ...keyFields }),
)
export const keyList = named('KeyList', object({ keys: array(key) }))

export const tenant = named('Tenant', object({ tenantId: string(), name: string(), createdAt: time }))
export const tenantList = named('TenantList', object({ tenants: array(tenant) }))

export const health = named('Health', object({ status: oneOf(['ok']), uptimeMs: number() }))
export const readiness = named('Readiness', object({ ready: boolean(), reason: optional(string()) }))
export const version: Schema<unknown> = named('Version', record(string()))
