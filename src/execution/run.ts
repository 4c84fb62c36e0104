import type { Blobs } from '../blobs/blobs.ts'
import { type ErrorCode, fail, isClocheError } from '../model/errors.ts'
import type { OutputFile, Phases, StartKind } from '../model/execution.ts'
import type { Lease } from '../pool/pool.ts'
import type { ExitStatus, Process, Sandbox, Usage } from '../sandbox/driver.ts'
import type { Clock } from '../std/clock.ts'
import { keep } from './kept.ts'
import type { LiveExecution } from './live.ts'
import { startOf } from './program.ts'
import type { ExecutionRequest, InputFile } from './request.ts'
import { type Ending, judge, type Verdict } from './verdict.ts'

export interface RunParts {
  readonly clock: Clock
  readonly blobs: Blobs
  /** All output files of one execution together. */
  readonly outputLimitBytes: number
}

export interface RunResult {
  readonly verdict: Verdict
  readonly outputs: readonly OutputFile[]
  readonly phases: Phases
  readonly usage: Usage | undefined
  readonly startKind: StartKind
}

/** Kernel counters at the end of a sandbox's last run: out-of-memory kills are counted for its whole life. */
const oomKillsBefore = new WeakMap<Sandbox, number>()

/** Bringing files out does not count as the program's time, and has a limit of its own. */
const COLLECT_MS = 30_000

/**
 * Runs a request in a leased sandbox: files in, program, output, files out, usage. Never rejects for what the program or
 * its sandbox did: that is the verdict. Gives the lease back before it resolves.
 */
export async function runInSandbox(
  parts: RunParts,
  live: LiveExecution,
  request: ExecutionRequest,
  lease: Lease,
): Promise<RunResult> {
  const { clock } = parts
  const { sandbox } = lease
  const times = new Times(clock)
  const timer = clock.after(request.timeoutMs, () => live.end('timeout'))
  let exit: ExitStatus | undefined
  let failure: Ending['failure']
  try {
    const process = await startProgram(parts, live, request, sandbox, times)
    exit = await process.exited
  } catch (error) {
    const notStarted = live.hostCause === undefined ? standInExit(live, error) : undefined
    exit = notStarted?.exit
    failure = notStarted?.failure ?? failureOf(error)
  } finally {
    timer.cancel()
  }
  times.mark('exited')
  const collected = await collect(parts, request, sandbox, live)
  times.mark('collected')
  const usage = await lastUsage(sandbox)
  const oomKills = usage?.oomKills ?? 0
  const oomKilled = oomKills > (oomKillsBefore.get(sandbox) ?? 0)
  oomKillsBefore.set(sandbox, oomKills)
  const sandboxEnd = sandbox.endReason
  const hostCause = live.hostCause
  const verdict = judge({ hostCause, exit, sandboxEnd, oomKilled, failure })
  const reusable = exit !== undefined && hostCause === undefined && !oomKilled && sandboxEnd === undefined
  lease.release(reusable ? 'reuse' : 'destroy')
  return {
    verdict:
      verdict.error === null && collected.error !== null ? { ...verdict, error: collected.error } : verdict,
    outputs: collected.outputs,
    phases: times.phases(lease),
    usage,
    startKind: sandbox.spec.runtime === 'bare' && lease.startKind === 'fork' ? 'cold' : lease.startKind,
  }
}

async function startProgram(
  parts: RunParts,
  live: LiveExecution,
  request: ExecutionRequest,
  sandbox: Sandbox,
  times: Times,
): Promise<Process> {
  const start = startOf(request, sandbox.spec.runtime, request.mode === 'cached')
  await sendFiles(parts.blobs, sandbox, [...start.files, ...request.files], live.signal)
  live.signal.throwIfAborted()
  times.mark('filesIn')
  const process = sandbox.exec(start.exec)
  times.process = process
  process.onOutput((stream, chunk) => {
    if (!live.output.append(stream, chunk)) process.pause()
  })
  live.output.onRoom(() => process.resume())
  const onEnd = (): void => process.kill()
  live.signal.addEventListener('abort', onEnd, { once: true })
  process.exited.then(ignore, ignore).then(() => live.signal.removeEventListener('abort', onEnd))
  live.runs(process)
  if (request.stdin !== null) void process.writeStdin(request.stdin)
  if (start.exec.stdin && !request.interactive) process.endStdin()
  return process
}

/** Small ones together; what is on disk one by one, so that only one is in memory at a time. */
async function sendFiles(
  blobs: Blobs,
  sandbox: Sandbox,
  files: readonly InputFile[],
  signal: AbortSignal,
): Promise<void> {
  const given = files.flatMap((file) => ('content' in file ? [file] : []))
  if (given.length > 0) await sandbox.writeFiles(given, signal)
  for (const file of files) {
    if (!('blob' in file)) continue
    const content = await blobs.get(file.blob)
    if (content === undefined) fail('blob_damaged', { hash: file.blob })
    await sandbox.writeFiles([{ path: file.path, mode: file.mode, content }], signal)
  }
}

interface Collected {
  readonly outputs: readonly OutputFile[]
  readonly error: { readonly code: ErrorCode; readonly detail: string } | null
}

/** The files asked for, after any end that left the sandbox alive. What cannot be brought out is said, not hidden. */
async function collect(
  parts: RunParts,
  request: ExecutionRequest,
  sandbox: Sandbox,
  live: LiveExecution,
): Promise<Collected> {
  if (request.outputs.length === 0) return { outputs: [], error: null }
  const missing = request.outputs.map((path) => ({ path, kept: null }))
  if (sandbox.endReason !== undefined || live.hostCause === 'cancelled')
    return { outputs: missing, error: null }
  try {
    const files = await sandbox.readFiles(
      request.outputs,
      parts.outputLimitBytes,
      AbortSignal.timeout(COLLECT_MS),
    )
    const outputs: OutputFile[] = []
    for (const file of files) {
      outputs.push({
        path: file.path,
        kept: file.content === null ? null : await keep(parts.blobs, file.content),
      })
    }
    return { outputs, error: null }
  } catch (error) {
    return { outputs: missing, error: failureOf(error) }
  }
}

/** The counters; a sandbox that has ended gives its last ones. */
async function lastUsage(sandbox: Sandbox): Promise<Usage | undefined> {
  try {
    if (sandbox.endReason === undefined) return await sandbox.usage()
  } catch {
    // It ended while it was asked.
  }
  return sandbox.destroy().catch(() => undefined)
}

/** A program that could not be started ends as it would have in a shell: 127 or 126, and a line that says why. */
function standInExit(
  live: LiveExecution,
  error: unknown,
): { readonly exit: ExitStatus; readonly failure: Ending['failure'] } | undefined {
  if (!isClocheError(error, 'program_not_started')) return undefined
  const { program, reason } = error.details
  live.output.append('stderr', Buffer.from(`cloche: ${program}: ${reason}\n`))
  return { exit: { code: /ENOENT|no such file/i.test(reason) ? 127 : 126, signal: null }, failure: undefined }
}

function failureOf(error: unknown): { readonly code: ErrorCode; readonly detail: string } {
  return isClocheError(error)
    ? { code: error.code, detail: error.detail }
    : { code: 'internal', detail: 'The server met a condition it was not made for.' }
}

type Mark = 'filesIn' | 'exited' | 'collected'

/** When what happened, and from that where the time went. */
class Times {
  readonly #clock: Clock
  readonly #beganMs: number
  readonly #marks: Partial<Record<Mark, number>> = {}
  process: Process | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#beganMs = clock.monotonic()
  }

  mark(name: Mark): void {
    this.#marks[name] = this.#clock.monotonic()
  }

  phases(lease: Lease): Phases {
    const { filesIn, exited = this.#beganMs, collected = exited } = this.#marks
    const filesMs = (filesIn ?? exited) - this.#beganMs
    const startedMs = this.process?.startedAtMs ?? exited
    const spawnMs = filesIn === undefined ? 0 : startedMs - filesIn
    const made = lease.startKind === 'fork' || lease.startKind === 'cold'
    const { cloneUs, attachUs, mountUs, readyUs } = lease.sandbox.startPhases
    return {
      queueMs: rounded(lease.queueMs),
      startMs: rounded(lease.startMs + filesMs + spawnMs),
      runMs: rounded(exited - startedMs),
      claimMs: rounded(lease.startMs),
      filesMs: rounded(filesMs),
      spawnMs: rounded(spawnMs),
      collectMs: rounded(collected - exited),
      ...(made
        ? {
            cloneMs: cloneUs / 1000,
            attachMs: attachUs / 1000,
            mountMs: mountUs / 1000,
            readyMs: readyUs / 1000,
          }
        : {}),
    }
  }
}

/** To the µs: more digits would only pretend. */
export function rounded(ms: number): number {
  return Math.round(Math.max(0, ms) * 1000) / 1000
}

function ignore(): void {}
