/*
 * execution: the life of an execution, from a checked request to its final record.
 *
 * Guarantees: an accepted execution is on disk before its caller hears of it, runs at most once, and is never lost: what had
 * not begun when a server died is run by the next one, what had begun is marked failed with the reason. A time-out kills
 * the work. Both streams are kept on every outcome, up to a cap that is told. Times, cpu and memory come from the host's
 * clock and the kernel. Only its tenant reaches an execution.
 * Does not: know HTTP, judge addresses (egress), decide which sandbox (pool), or read what programs print.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { ClocheError, fail } from '../model/errors.ts'
import type { ExecutionRecord, NewExecution } from '../model/execution.ts'
import { newExecution, transition } from '../model/execution.ts'
import { type ExecutionStatus, isFinal } from '../model/execution-status.ts'
import { type EnvironmentId, type ExecutionId, newExecutionId, type TenantId } from '../model/ids.ts'
import type { Counter, Histogram } from '../std/metrics.ts'
import type { ListExecutions, Page } from '../store/faces.ts'
import { Dispatcher } from './dispatcher.ts'
import { fingerprint } from './fingerprint.ts'
import { keep, keptBytes, readKept } from './kept.ts'
import { LiveExecution } from './live.ts'
import { OutputLog, type Piece, type Position, STREAM_NAMES } from './output-log.ts'
import type { Caller, ExecutionParts } from './parts.ts'
import { recover } from './recovery.ts'
import { type ExecutionRequest, requestFromJson, requestToJson } from './request.ts'
import { rounded } from './run.ts'
import { Runner } from './runner.ts'

/** running: follow it · recorded: it has ended before (an equal request), or was answered from the result cache. */
export type Started =
  | { readonly kind: 'live'; readonly live: LiveExecution; readonly repeated: boolean }
  | { readonly kind: 'recorded'; readonly record: ExecutionRecord }

export class Executions {
  readonly #parts: ExecutionParts
  readonly #runner: Runner
  readonly #dispatcher: Dispatcher<LiveExecution>
  readonly #live = new Map<ExecutionId, LiveExecution>()
  readonly #perTenant = new Map<TenantId, number>()
  readonly #ended: Counter
  readonly #seconds: Histogram
  #closing = false

  constructor(parts: ExecutionParts) {
    this.#parts = parts
    this.#runner = new Runner(parts)
    this.#dispatcher = new Dispatcher(parts.settings.dispatcher, parts.clock, (live) => this.#dispatch(live))
    const { metrics } = parts
    this.#ended = metrics.counter(
      'cloche_executions_total',
      'Executions that have ended, by status and start kind.',
    )
    this.#seconds = metrics.histogram(
      'cloche_execution_start_seconds',
      'Time from acceptance to the program’s start, by start kind.',
      [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    )
    metrics.gauge('cloche_executions_running', 'Executions whose code may be running.', () =>
      this.#count('running'),
    )
    metrics.gauge('cloche_executions_waiting', 'Executions that are accepted and have not begun.', () =>
      this.#count('accepted'),
    )
  }

  /** Takes over what a dead server left. Before the first request. */
  async start(): Promise<void> {
    const { spoolFolder } = this.#parts.settings
    rmSync(spoolFolder, { recursive: true, force: true })
    mkdirSync(spoolFolder, { recursive: true, mode: 0o700 })
    for (const record of await recover(this.#parts)) {
      const waitedMs = this.#parts.clock.now() - record.createdAt
      this.#dispatcher.add(this.#enlist(record, waitedMs))
    }
  }

  /**
   * Begins a request whose caller waits for it; its signal going off ends the run. Fails with what the request or the present
   * state does not allow.
   */
  async begin(caller: Caller, request: ExecutionRequest): Promise<Started> {
    const environmentId = await this.#admit(caller, request)
    const resultKey = this.#resultKey(caller, request, environmentId)
    const replayed = resultKey === null ? undefined : await this.#replay(caller, request, resultKey)
    if (replayed !== undefined) return { kind: 'recorded', record: replayed }
    // Listed before its key is claimed: whoever repeats the key at the same moment finds it.
    const live = this.#enlist(this.#newRecord(caller, request, environmentId, false))
    if (request.idempotencyKey !== null) {
      const known = await this.#claimKey(caller, request, live)
      if (known !== undefined) return known
    }
    live.resultKey = resultKey
    void this.#runner.carryOut(live, request, environmentId, false).finally(() => this.#strike(live))
    return { kind: 'live', live, repeated: false }
  }

  /** Accepts a request to be run when there is room. Resolves when it is on disk. */
  async accept(caller: Caller, request: ExecutionRequest): Promise<ExecutionRecord> {
    const environmentId = await this.#admit(caller, request)
    const json = requestToJson(request)
    const stored = await keep(this.#parts.blobs, Buffer.from(json), true)
    const record = { ...this.#newRecord(caller, request, environmentId, true), request: stored }
    const live = this.#enlist(record)
    try {
      const accepted = await this.#parts.store.executions.accept(record, this.#keyClaim(caller, request))
      if (accepted.outcome === 'repeated') {
        this.#strike(live)
        return await this.get(caller.tenantId, accepted.executionId)
      }
    } catch (error) {
      this.#strike(live)
      throw error
    }
    this.#dispatcher.add(live)
    return record
  }

  async get(tenantId: TenantId, id: ExecutionId): Promise<ExecutionRecord> {
    const live = this.liveOf(tenantId, id)
    if (live !== undefined) return live.record
    const record = await this.#parts.store.executions.get(tenantId, id)
    return record ?? fail('not_found', { what: 'execution', id })
  }

  /** While it has not ended. */
  liveOf(tenantId: TenantId, id: ExecutionId): LiveExecution | undefined {
    const live = this.#live.get(id)
    return live?.tenantId === tenantId ? live : undefined
  }

  list(tenantId: TenantId, query: ListExecutions): Promise<Page<ExecutionRecord>> {
    return this.#parts.store.executions.list(tenantId, query)
  }

  /** Ends it and waits for its record. Fails with `execution_not_running` when it had ended before. */
  async cancel(tenantId: TenantId, id: ExecutionId): Promise<ExecutionRecord> {
    const live = this.liveOf(tenantId, id)
    if (live === undefined) {
      const record = await this.get(tenantId, id)
      return fail('execution_not_running', { id, status: record.status })
    }
    live.end('cancelled')
    // One that waits its turn would only find out when its turn comes.
    if (live.waitsForDispatch)
      await this.#runner.neverRan(live, new ClocheError('execution_cancelled', { id }))
    return live.finished
  }

  async delete(tenantId: TenantId, id: ExecutionId): Promise<void> {
    const live = this.liveOf(tenantId, id)
    if (live !== undefined) fail('execution_still_running', { id, status: live.record.status })
    if (!(await this.#parts.store.executions.delete(tenantId, id)))
      fail('not_found', { what: 'execution', id })
  }

  /** Its output from a position on: as it comes while it runs, stdout before stderr afterwards. */
  async *follow(
    tenantId: TenantId,
    id: ExecutionId,
    from: Position,
    signal: AbortSignal,
  ): AsyncGenerator<Piece, void, void> {
    const live = this.liveOf(tenantId, id)
    if (live !== undefined) {
      yield* live.output.follow(from, signal)
      return
    }
    yield* this.outputOf(await this.get(tenantId, id), from)
  }

  /** The kept output of a final record. */
  async *outputOf(record: ExecutionRecord, from: Position): AsyncGenerator<Piece, void, void> {
    const had = { ...from }
    for (const stream of STREAM_NAMES) {
      const kept = record[stream]?.kept
      if (kept === undefined) continue
      for await (const bytes of readKept(this.#parts.blobs, kept, had[stream])) {
        had[stream] += bytes.length
        yield { stream, bytes, position: { ...had } }
      }
    }
  }

  /** Nothing new begins. Resolves when everything that runs has ended, by itself or, once `signal` aborts, killed. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closing = true
    const endAll = (): void => {
      for (const live of this.#live.values()) if (!live.waitsForDispatch) live.end('shutdown')
    }
    if (signal.aborted) endAll()
    else signal.addEventListener('abort', endAll, { once: true })
    await this.#dispatcher.stop()
    await Promise.all(
      [...this.#live.values()].filter((live) => !live.waitsForDispatch).map((live) => live.finished),
    )
  }

  // ---- beginning ----

  async #admit(caller: Caller, request: ExecutionRequest): Promise<EnvironmentId | null> {
    if (this.#closing) fail('shutting_down', { retryAfterMs: 2000 })
    const { perTenant } = this.#parts.settings
    if ((this.#perTenant.get(caller.tenantId) ?? 0) >= perTenant) {
      fail('quota_exceeded', { what: 'executions that have not ended', limit: perTenant })
    }
    if (request.environment === null) return null
    return this.#parts.environments.find(caller.tenantId, request.environment)
  }

  #newRecord(
    caller: Caller,
    request: ExecutionRequest,
    environmentId: EnvironmentId | null,
    isAsync: boolean,
  ): ExecutionRecord {
    const { clock, serverId } = this.#parts
    const createdAt = clock.now()
    const given: NewExecution = {
      id: newExecutionId(createdAt),
      tenantId: caller.tenantId,
      keyId: caller.keyId,
      serverId,
      isAsync,
      language: request.program.kind === 'code' ? request.program.language : null,
      mode: request.mode,
      limits: request.limits,
      timeoutMs: request.timeoutMs,
      createdAt,
      environmentId,
    }
    return newExecution(given)
  }

  /** The execution that had the key before, if there is one; else the key belongs to this one, and that is on disk. */
  async #claimKey(
    caller: Caller,
    request: ExecutionRequest,
    mine: LiveExecution,
  ): Promise<Started | undefined> {
    try {
      const accepted = await this.#parts.store.executions.accept(mine.record, this.#keyClaim(caller, request))
      if (accepted.outcome === 'accepted') return undefined
      this.#strike(mine)
      const live = this.liveOf(caller.tenantId, accepted.executionId)
      if (live !== undefined) return { kind: 'live', live, repeated: true }
      return { kind: 'recorded', record: await this.get(caller.tenantId, accepted.executionId) }
    } catch (error) {
      this.#strike(mine)
      throw error
    }
  }

  #keyClaim(caller: Caller, request: ExecutionRequest) {
    if (request.idempotencyKey === null) return undefined
    return {
      key: request.idempotencyKey,
      fingerprint: fingerprint(request, { tenantId: caller.tenantId }),
      expiresAt: this.#parts.clock.now() + this.#parts.settings.idempotencyMs,
    }
  }

  #resultKey(caller: Caller, request: ExecutionRequest, environmentId: EnvironmentId | null): string | null {
    if (request.resultTtlMs === null || request.interactive) return null
    const platform = this.#parts.settings.platformFingerprint
    return fingerprint(request, { tenantId: caller.tenantId, environmentId, platform })
  }

  /** An earlier result as an execution of its own: it took no time and used nothing, and says so. */
  async #replay(
    caller: Caller,
    request: ExecutionRequest,
    key: string,
  ): Promise<ExecutionRecord | undefined> {
    const { store, clock } = this.#parts
    const beganMs = clock.monotonic()
    const earlier = await store.results.get(caller.tenantId, key)
    if (earlier === undefined) return undefined
    const running = transition(
      this.#newRecord(caller, request, earlier.environmentId, false),
      'running',
      clock.now(),
    )
    const tookMs = rounded(clock.monotonic() - beganMs)
    const record = transition(running, 'succeeded', clock.now(), {
      exitCode: earlier.exitCode,
      signal: earlier.signal,
      stdout: earlier.stdout,
      stderr: earlier.stderr,
      outputs: earlier.outputs,
      startKind: 'replay',
      durationMs: tookMs,
      phases: { queueMs: 0, startMs: tookMs, runMs: 0 },
      cpuTimeMs: 0,
      peakMemoryBytes: 0,
    })
    store.executions.append(record)
    this.#tally(record)
    return record
  }

  // ---- the live ones ----

  #enlist(record: ExecutionRecord, waitedMs?: number): LiveExecution {
    const { settings, clock } = this.#parts
    const live = new LiveExecution(
      record,
      new OutputLog(settings.spoolFolder, record.id, settings.outputs),
      clock,
      waitedMs,
    )
    live.waitsForDispatch = record.isAsync
    this.#live.set(live.id, live)
    this.#perTenant.set(live.tenantId, (this.#perTenant.get(live.tenantId) ?? 0) + 1)
    return live
  }

  #strike(live: LiveExecution): void {
    if (!this.#live.delete(live.id)) return
    const left = (this.#perTenant.get(live.tenantId) ?? 1) - 1
    if (left === 0) this.#perTenant.delete(live.tenantId)
    else this.#perTenant.set(live.tenantId, left)
    if (isFinal(live.record.status)) this.#tally(live.record)
  }

  async #dispatch(live: LiveExecution): Promise<'done' | 'later'> {
    if (isFinal(live.record.status)) {
      this.#strike(live)
      return 'done'
    }
    live.waitsForDispatch = false
    try {
      const request = await this.#storedRequest(live.record)
      const outcome = await this.#runner.carryOut(live, request, live.record.environmentId, true)
      if (outcome === 'later') {
        live.waitsForDispatch = true
        return 'later'
      }
    } catch (error) {
      this.#parts.log.error('an accepted execution could not be read', { id: live.id, error })
      await this.#runner.neverRan(live, new ClocheError('internal', {}, { cause: error }))
    }
    this.#strike(live)
    return 'done'
  }

  async #storedRequest(record: ExecutionRecord): Promise<ExecutionRequest> {
    if (record.request === null) throw new Error(`execution ${record.id} was accepted without its request`)
    return requestFromJson((await keptBytes(this.#parts.blobs, record.request)).toString())
  }

  #count(status: ExecutionStatus): number {
    let count = 0
    for (const live of this.#live.values()) if (live.record.status === status) count++
    return count
  }

  #tally(record: ExecutionRecord): void {
    const startKind = record.startKind ?? 'none'
    this.#ended.add(1, { status: record.status, start_kind: startKind })
    const { phases } = record
    if (phases !== null)
      this.#seconds.observe((phases.queueMs + phases.startMs) / 1000, { start_kind: startKind })
  }
}
