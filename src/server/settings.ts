import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCidr } from '../egress/addresses.ts'
import { MAX_LIMITS, MAX_TIMEOUT_MS, OUTPUT_LIMITS, REQUEST_LIMITS } from '../model/limits.ts'
import { LOG_LEVELS } from '../std/log.ts'
import { parseBytes, parseDurationMs } from '../std/units.ts'

/**
 * Every setting there is, once: its type, default, bounds and words. The same table reads files, variables and flags, and
 * makes the reference page. A variable is CLOCHE_ and the key in capitals (`limits.memory` is CLOCHE_LIMITS_MEMORY).
 */

export interface Setting<T> {
  readonly about: string
  /** How a person would write it; for the reference page. */
  readonly shown: string
  readonly default: T
  /** The value, or what it must be. */
  readonly read: (given: unknown) => { readonly value: T } | { readonly problem: string }
}

const MIB = 1024 ** 2
const projectDir = fileURLToPath(new URL('../../', import.meta.url))

export const SETTINGS = {
  host: text('127.0.0.1', 'Address to listen on.'),
  port: whole(8080, 0, 65_535, 'Port to listen on; 0 picks a free one.'),
  data: text(
    defaultDataDir(),
    'Where everything is kept.',
    '/var/lib/cloche for root, else ~/.local/share/cloche',
  ),
  'base.dir': text(
    '',
    'Where base trees are kept.',
    'DATA/base, or /var/lib/cloche/base where only that has one',
  ),
  'build.dir': text(join(projectDir, 'build'), 'Where the native programs are built to.', 'build'),
  'log.level': choice('info', LOG_LEVELS, 'The least that is logged.'),

  'http.cors': list(
    [],
    isOrigin,
    'an origin like https://example.com, or *',
    'Origins whose pages may call the API.',
  ),
  'http.headersTimeout': duration(10_000, 100, 'Time for a request’s head.'),
  'http.bodyIdleTimeout': duration(10_000, 100, 'Longest pause while a body is sent.'),
  'http.bodyTimeout': duration(60_000, 100, 'Time for a whole JSON body.'),
  'http.uploadTimeout': duration(600_000, 1000, 'Time for a whole upload.'),
  'http.slowReaderTimeout': duration(30_000, 100, 'A reader that takes nothing for this long is let go.'),
  'http.keepAlive': duration(65_000, 1000, 'How long an idle connection is kept.'),
  'http.streams': whole(10_000, 1, 1_000_000, 'WebSockets open at once.'),
  'http.heartbeat': duration(15_000, 100, 'Between heart-beats of streams and events.'),

  'limits.cpuCores': number(
    Math.min(64, availableParallelism()),
    0.01,
    64,
    'Most cores one execution may ask for.',
    'the machine’s',
  ),
  'limits.memory': bytes(MAX_LIMITS.memoryBytes, 16 * MIB, 'Most memory one execution may ask for.'),
  'limits.disk': bytes(
    4096 * MIB,
    MIB,
    'Most disk one execution may ask for; it counts as memory while used.',
  ),
  'limits.pids': whole(4096, 2, MAX_LIMITS.pids, 'Most processes one execution may ask for.'),
  'limits.inodesPerMib': whole(
    64,
    1,
    4096,
    'Files and folders a sandbox may have, for each MiB of its disk.',
  ),
  'limits.timeout': duration(MAX_TIMEOUT_MS, 1, 'Longest time limit one execution may ask for.'),
  'limits.body': bytes(REQUEST_LIMITS.bodyBytes, 1024, 'Largest JSON body.'),
  'limits.uploadFile': bytes(512 * MIB, 1024, 'Largest uploaded file.'),
  'limits.upload': bytes(1024 * MIB, 1024, 'All uploaded files of one request.'),
  'limits.outputMemory': bytes(
    OUTPUT_LIMITS.answerBytes,
    4096,
    'Of each output stream, kept in memory; more goes to disk.',
  ),
  'limits.output': bytes(OUTPUT_LIMITS.keptBytes, 4096, 'Of each output stream, kept at all.'),
  'limits.outputFiles': bytes(64 * MIB, 1024, 'All files one execution sends back.'),
  'limits.perTenant': whole(10_000, 1, 10_000_000, 'Executions of one tenant that have not ended.'),

  'async.concurrency': whole(64, 1, 10_000, 'Accepted executions that run at once.'),
  'async.firstRetry': duration(200, 1, 'Pause after an accepted execution found no room; doubles.'),
  'async.longestRetry': duration(5000, 1, 'Longest such pause.'),
  'idempotency.keep': duration(86_400_000, 1000, 'How long an idempotency key is remembered.'),

  'pool.maxSandboxes': whole(0, 0, 100_000, 'Sandboxes that may exist at once; 0: by the machine’s memory.'),
  'pool.queue': whole(0, 0, 1_000_000, 'Executions that may wait for a sandbox; 0: twice the sandboxes.'),
  'pool.queueTimeout': duration(10_000, 1, 'How long one waits for a sandbox before it is refused.'),
  'pool.memoryReserve': bytes(
    0,
    0,
    'Memory sandboxes may not take from the machine; 0: a twentieth, at least 256 MiB.',
  ),
  'pool.standby': flag(true, 'Keep unused sandboxes ready before they are asked for.'),
  'pool.warmIdle': duration(120_000, 0, 'How long a used sandbox of mode cached is kept for its tenant.'),

  'egress.allowPrivate': list(
    [],
    isCidr,
    'a CIDR',
    'Private networks that sandboxes with network may reach all the same.',
  ),
  'egress.nameServers': list([], isAddress, 'an address', 'Name servers to ask; empty: the system’s.'),
  'egress.connections': whole(256, 1, 65_536, 'Connections out of one sandbox at once.'),
  'egress.bandwidth': bytes(32 * MIB, 1024, 'Bytes per second in and out of one sandbox.'),
  'egress.connectTimeout': duration(10_000, 10, 'Time to reach an address.'),

  'environments.pipIndexUrl': text('', 'Package index for pip; empty: its own default.', 'pip’s own'),
  'environments.npmRegistry': text('', 'Registry for npm; empty: its own default.', 'npm’s own'),
  'environments.indexHosts': list(
    [],
    (host) => /^[A-Za-z0-9.-]{1,253}$/.test(host),
    'a host name',
    'Further hosts that the indexes keep their files on.',
  ),
  'environments.installScripts': flag(
    false,
    'Let packages run code of their own while they are installed, unless a request decides it.',
  ),
  'environments.timeout': duration(600_000, 1000, 'Time for one build.'),
  'environments.memory': bytes(2048 * MIB, 64 * MIB, 'Memory for one build, beside its disk.'),
  'environments.disk': bytes(2048 * MIB, 16 * MIB, 'Disk for one build.'),
  'environments.layer': bytes(1024 * MIB, MIB, 'Largest layer.'),
  'environments.files': whole(100_000, 1, 10_000_000, 'Most files in a layer.'),
  'environments.concurrency': whole(2, 1, 64, 'Builds at once.'),
  'environments.perTenant': whole(
    100,
    1,
    100_000,
    'Environments of one tenant, those given inline included.',
  ),
  'environments.retryAfter': duration(
    60_000,
    0,
    'When an inline environment that failed may be built again.',
  ),

  'retention.age': duration(7 * 86_400_000, 1000, 'How long ended executions are kept.'),
  'retention.count': whole(100_000, 1, 100_000_000, 'How many ended executions of one tenant are kept.'),
  'retention.interval': duration(60_000, 1000, 'Between two sweeps.'),
  'shutdown.drain': duration(10_000, 0, 'How long running executions may go on when the server stops.'),
} as const satisfies Readonly<Record<string, Setting<unknown>>>

export type SettingName = keyof typeof SETTINGS
export type Config = Readonly<{
  [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never
}>

function defaultDataDir(): string {
  if (process.getuid?.() === 0) return '/var/lib/cloche'
  const home = process.env['XDG_DATA_HOME'] ?? join(process.env['HOME'] ?? '/tmp', '.local', 'share')
  return join(home, 'cloche')
}

function text(fallback: string, about: string, shown = fallback): Setting<string> {
  const read = (given: unknown) =>
    typeof given === 'string' ? { value: given } : { problem: 'must be text' }
  return { about, shown, default: fallback, read }
}

function choice<const V extends readonly string[]>(
  fallback: V[number],
  values: V,
  about: string,
): Setting<V[number]> {
  const read = (given: unknown) => {
    const value = values.find((one) => one === given)
    return value === undefined ? { problem: `must be one of ${values.join(', ')}` } : { value }
  }
  return { about, shown: fallback, default: fallback, read }
}

function flag(fallback: boolean, about: string): Setting<boolean> {
  const read = (given: unknown) => {
    if (given === true || given === 'true' || given === '1') return { value: true }
    return given === false || given === 'false' || given === '0'
      ? { value: false }
      : { problem: 'must be true or false' }
  }
  return { about, shown: String(fallback), default: fallback, read }
}

function whole(fallback: number, least: number, most: number, about: string): Setting<number> {
  return bounded(fallback, least, most, about, String(fallback), (given) => {
    const value = numberFrom(given)
    return Number.isSafeInteger(value) ? value : undefined
  })
}

function number(
  fallback: number,
  least: number,
  most: number,
  about: string,
  shown: string,
): Setting<number> {
  return bounded(fallback, least, most, about, shown, numberFrom)
}

function duration(fallback: number, least: number, about: string): Setting<number> {
  const longest = 10 * 365 * 86_400_000
  const read = (given: unknown) => (typeof given === 'string' ? parseDurationMs(given) : undefined)
  return bounded(
    fallback,
    least,
    longest,
    about,
    shortDuration(fallback),
    read,
    'a duration like 500ms, 30s or 2h',
  )
}

function bytes(fallback: number, least: number, about: string): Setting<number> {
  const read = (given: unknown) => (typeof given === 'string' ? parseBytes(given) : undefined)
  return bounded(fallback, least, 2 ** 50, about, shortBytes(fallback), read, 'a size like 64KiB or 256MiB')
}

function bounded(
  fallback: number,
  least: number,
  most: number,
  about: string,
  shown: string,
  parse: (given: unknown) => number | undefined,
  form = 'a number',
): Setting<number> {
  const read = (given: unknown) => {
    const value = parse(given)
    if (value === undefined) return { problem: `must be ${form}` }
    if (value < least || value > most) return { problem: `must be from ${least} to ${most}` }
    return { value }
  }
  return { about, shown, default: fallback, read }
}

function list(
  fallback: readonly string[],
  accepts: (one: string) => boolean,
  form: string,
  about: string,
): Setting<readonly string[]> {
  const read = (given: unknown) => {
    const items = typeof given === 'string' ? given.split(',').map((one) => one.trim()) : given
    if (!Array.isArray(items)) return { problem: 'must be a list, or text with commas' }
    const value = items.filter((one) => one !== '')
    const wrong = value.find((one) => typeof one !== 'string' || !accepts(one))
    return wrong === undefined ? { value } : { problem: `"${String(wrong)}" is not ${form}` }
  }
  return { about, shown: fallback.join(',') || 'none', default: fallback, read }
}

function numberFrom(given: unknown): number | undefined {
  if (typeof given === 'number' && Number.isFinite(given)) return given
  return typeof given === 'string' && /^-?\d+(\.\d+)?$/.test(given) ? Number(given) : undefined
}

function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text)
}

function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined
}

function isAddress(text: string): boolean {
  return isCidr(text) && !text.includes('/')
}

/** As `parseDurationMs` reads it. */
function shortDuration(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`
  }
  return `${ms}ms`
}

function shortBytes(size: number): string {
  for (const [unit, scale] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const) {
    if (size >= scale && size % scale === 0) return `${size / scale}${unit}`
  }
  return `${size}b`
}
