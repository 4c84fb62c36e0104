import { parseRule } from '../../egress/policy.ts'
import { MOST_PACKAGES } from '../../environment/packages.ts'
import { AVAILABLE_MODES, LANGUAGES, MODES } from '../../model/execution.ts'
import { MAX_TIMEOUT_MS, REQUEST_LIMITS } from '../../model/limits.ts'
import {
  array,
  boolean,
  either,
  integer,
  named,
  number,
  object,
  oneOf,
  optional,
  record,
  type Static,
  string,
  where,
} from './schema.ts'

const noNul = (text: string): string | undefined =>
  text.includes('\0') ? 'must not contain NUL characters' : undefined

const base64 = where(string({ format: 'byte' }), (text) => (isBase64(text) ? undefined : 'must be base64'))

/** By decoding: a pattern over a text of many MB would need as much stack. Node skips what is not base64. */
function isBase64(text: string): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  if (padding > 0 && text.length % 4 !== 0) return false
  return digits % 4 !== 1 && Buffer.from(text, 'base64').length === Math.floor((digits * 3) / 4)
}

const path = where(string({ minLength: 1, maxLength: REQUEST_LIMITS.pathBytes }), pathProblem)

/** Files are written with the user's own rights, so this guards nobody; it refuses what can only be a mistake. */
export function pathProblem(text: string): string | undefined {
  if (text.split('/').includes('..')) return 'must not contain ".."'
  if (text.endsWith('/')) return 'must name a file'
  if (Buffer.byteLength(text) > REQUEST_LIMITS.pathBytes)
    return `must have at most ${REQUEST_LIMITS.pathBytes} bytes`
  return noNul(text)
}

const folder = where(string({ minLength: 1, maxLength: REQUEST_LIMITS.pathBytes }), noNul)

/** What the protocol carries in one piece. */
const ARGUMENT_BYTES = 65_000

const argument = where(
  string({ maxLength: ARGUMENT_BYTES }),
  (text) =>
    noNul(text) ??
    (Buffer.byteLength(text) > ARGUMENT_BYTES ? `must have at most ${ARGUMENT_BYTES} bytes` : undefined),
)

const terminal = object(
  {
    cols: integer({ minimum: 1, maximum: 4096, default: 80 }),
    rows: integer({ minimum: 1, maximum: 4096, default: 24 }),
  },
  { description: 'Run on a terminal of this size: everything comes out as stdout.' },
)

const variableName = string({
  pattern: /^[^=\0]+$/,
  rule: 'a variable name: not empty, without "=" and NUL',
  maxLength: 1024,
})

const mode = integer({ minimum: 0, maximum: 0o777, description: 'Permission bits, as a number.' })

const file = either(
  [
    string({ description: 'The content as text.' }),
    where(
      object({ text: optional(string()), base64: optional(base64), mode: optional(mode) }),
      (value) =>
        (value.text === undefined) === (value.base64 === undefined)
          ? 'must have either "text" or "base64"'
          : undefined,
      'The content as text or base64, and permission bits (default 0644).',
    ),
  ],
  {},
)

function networkProblem(text: string): string | undefined {
  return parseRule(text) === undefined ? 'must be a name, "*." and a name, an address or a CIDR' : undefined
}

const network = either(
  [
    oneOf(['none', 'all'], { default: 'none' }),
    object(
      {
        allow: array(where(string({ minLength: 1, maxLength: 255 }), networkProblem), {
          maxItems: 256,
          description: 'Names (`example.com`, `*.example.com`) and CIDRs (`203.0.113.0/24`).',
        }),
      },
      { description: 'Only these are reachable.' },
    ),
  ],
  { description: 'What the program may reach. Private, loopback and metadata addresses never are.' },
)

const packages = object({
  packages: array(where(string({ minLength: 1, maxLength: 512 }), packageRule), {
    minItems: 1,
    maxItems: MOST_PACKAGES,
    description: 'Each as pip or npm takes it: `requests==2.32.3`, `lodash@4`.',
  }),
})

/** What begins with a dash would be an option of the package tool. */
function packageRule(text: string): string | undefined {
  if (text.startsWith('-')) return 'must be a package, not an option'
  return /[\0-\x1f]/.test(text) ? 'must not contain control characters' : undefined
}

export const environmentFields = {
  python: optional(packages),
  node: optional(packages),
  allowInstallScripts: optional(
    boolean({
      description:
        'Let packages run code of their own while they are installed; without it npm runs no scripts and pip builds nothing from source. By default as the server is set.',
    }),
  ),
} as const

export const environmentSpec = named(
  'EnvironmentSpec',
  where(object(environmentFields), (value) =>
    value.python === undefined && value.node === undefined ? 'must have "python" or "node"' : undefined,
  ),
)

export const resources = named(
  'Resources',
  object({
    cpuCores: optional(number({ minimum: 0.01, maximum: 64, default: 1 })),
    memoryMb: optional(integer({ minimum: 16, maximum: 65_536, default: 256 })),
    diskMb: optional(integer({ minimum: 1, maximum: 65_536, default: 256 })),
    pids: optional(integer({ minimum: 2, maximum: 32_768, default: 128 })),
  }),
)

const fields = object(
  {
    code: optional(
      string({ minLength: 1, maxLength: REQUEST_LIMITS.codeBytes, description: 'The program itself.' }),
    ),
    language: optional(oneOf(LANGUAGES, { description: 'Of `code`.' })),
    command: optional(
      array(argument, {
        minItems: 1,
        maxItems: REQUEST_LIMITS.args,
        description: 'A program and its arguments, instead of `code`.',
      }),
    ),
    args: optional(array(argument, { maxItems: REQUEST_LIMITS.args })),
    env: optional(record(argument, { maxProperties: REQUEST_LIMITS.envEntries, key: variableName })),
    stdin: optional(
      either([string({ maxLength: REQUEST_LIMITS.stdinBytes }), object({ base64 })], {
        description: 'What the program reads; without it, end of file at once.',
      }),
    ),
    files: optional(
      record(file, {
        maxProperties: REQUEST_LIMITS.files,
        key: path,
        description: 'By path; relative ones are under /workspace.',
      }),
    ),
    outputs: optional(
      array(path, {
        maxItems: REQUEST_LIMITS.outputs,
        description: 'Files or folders to send back; relative ones are under /workspace.',
      }),
    ),
    cwd: optional(folder),
    pty: optional(terminal),
    timeoutMs: optional(
      integer({ minimum: 1, maximum: MAX_TIMEOUT_MS, default: 30_000, description: 'Then it is killed.' }),
    ),
    resources: optional(resources),
    network: optional(network),
    mode: optional(oneOf(MODES, { default: 'ephemeral' })),
    environment: optional(
      either([string({ minLength: 1, maxLength: 63, description: 'A name.' }), environmentSpec], {
        description: 'Packages the program finds installed.',
      }),
    ),
    resultCache: optional(
      either([boolean(), object({ ttlMs: optional(integer({ minimum: 1, maximum: 30 * 86_400_000 })) })], {
        description: 'Answer with an earlier result of exactly the same request instead of running it.',
      }),
    ),
    idempotencyKey: optional(
      string({
        minLength: 1,
        maxLength: 255,
        description: 'A second request with the same key is answered with the first one’s execution.',
      }),
    ),
    checkpointAfter: optional(boolean({ description: 'For mode `checkpointed`.' })),
    parentSnapshot: optional(string({ maxLength: 255, description: 'For mode `branched`.' })),
  },
  { description: 'What to run and with what. snake_case spellings of all keys are accepted.' },
)

export type ExecuteBody = Static<typeof fields>

/** The rest of what makes a request whole; each problem with its own path. */
export const executeRequest = named('ExecuteRequest', { ...fields, check: checkWhole })

function checkWhole(value: unknown, at: string, problems: Parameters<typeof fields.check>[2]): void {
  const before = problems.length
  fields.check(value, at, problems)
  if (problems.length > before) return
  // The shape has just been checked.
  const body = value as ExecuteBody
  // A mode that needs more than there is yet answers with its own error, whatever else it lacks.
  if (body.mode !== undefined && !AVAILABLE_MODES.includes(body.mode)) return
  if (body.code === undefined && body.command === undefined) {
    problems.push({ path: '', message: 'must have "code" (with "language") or "command"' })
  }
  if (body.code !== undefined && body.command !== undefined) {
    problems.push({ path: 'command', message: 'must not be given together with "code"' })
  }
  if (body.code !== undefined && body.language === undefined) {
    problems.push({ path: 'language', message: `is required with "code": one of ${LANGUAGES.join(', ')}` })
  }
  if (body.command !== undefined && body.args !== undefined) {
    problems.push({ path: 'args', message: 'must not be given together with "command"; put them in it' })
  }
  if (body.command?.[0] === '') problems.push({ path: 'command[0]', message: 'must not be empty' })
}
