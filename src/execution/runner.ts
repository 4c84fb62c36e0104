import { asClocheError, ClocheError } from '../model/errors.ts'
import type { ExecutionChanges, ExecutionRecord, StreamRecord } from '../model/execution.ts'
import type { EnvironmentId } from '../model/ids.ts'
import type { Lease } from '../pool/pool.ts'
import type { Limits } from '../sandbox/driver.ts'
import { keepStream, readKeptAt } from './kept.ts'
import type { LiveExecution } from './live.ts'
import { STREAM_NAMES, type StreamName } from './output-log.ts'
import type { ExecutionParts } from './parts.ts'
import { runtimeOf } from './program.ts'
import type { ExecutionRequest } from './request.ts'
import { type RunResult, rounded, runInSandbox } from './run.ts'

const MIB = 1024 ** 2

/** ended: the record is final · later: nothing has begun, and it may work later. */
export type CarriedOut = 'ended' | 'later'

/**
 * Takes one execution from acceptance to its final record: environment, sandbox, run, storage. `patient`: lack of room or of
 * a driver is not its end.
 */
export class Runner {
  readonly #parts: ExecutionParts

  constructor(parts: ExecutionParts) {
    this.#parts = parts
  }

  async carryOut(
    live: LiveExecution,
    request: ExecutionRequest,
    environmentId: EnvironmentId | null,
    patient: boolean,
  ): Promise<CarriedOut> {
    try {
      const lease = await this.#claim(live, request, environmentId)
      if (live.signal.aborted) {
        lease.release('destroy')
        await this.neverRan(live, new ClocheError('execution_cancelled', { id: live.id }))
        return 'ended'
      }
      await this.#run(live, request, lease)
      return 'ended'
    } catch (error) {
      const known =
        live.hostCause === 'cancelled'
          ? new ClocheError('execution_cancelled', { id: live.id }, { cause: error })
          : asClocheError(error)
      if (patient && !live.signal.aborted && known.retryable && known.fault === 'platform') return 'later'
      await this.neverRan(live, known)
      return 'ended'
    }
  }

  async #claim(
    live: LiveExecution,
    request: ExecutionRequest,
    environmentId: EnvironmentId | null,
  ): Promise<Lease> {
    const { environments, pool, settings } = this.#parts
    const { tenantId, signal } = live
    const environment =
      environmentId === null ? null : await environments.fit(tenantId, environmentId, signal)
    return pool.claim(
      {
        tenantId,
        runtime: runtimeOf(request.program),
        layers: environment === null ? [] : [environment.layer],
        limits: sandboxLimits(request, settings.inodesPerMib),
        network: request.network === 'none' ? 'none' : 'egress',
        mode: request.mode,
        ...(request.network === 'none' ? {} : { affinity: JSON.stringify(request.network) }),
      },
      signal,
    )
  }

  /** From here on the code may have begun: whatever happens now is a result, not a refusal. */
  async #run(live: LiveExecution, request: ExecutionRequest, lease: Lease): Promise<void> {
    const { store, clock, egress } = this.#parts
    const waitedMs = live.ageMs - lease.startMs - lease.queueMs
    store.executions.append(live.become('running', clock.now()))
    const { sandbox } = lease
    const session =
      request.network === 'none' ? undefined : egress.serve(sandbox.egress(), request.network, sandbox.id)
    let result: RunResult
    try {
      const parts = {
        clock,
        blobs: this.#parts.blobs,
        outputLimitBytes: this.#parts.settings.outputFilesBytes,
      }
      result = await runInSandbox(parts, live, request, lease)
    } finally {
      session?.close()
    }
    await this.#finish(live, request, result, waitedMs)
  }

  async #finish(
    live: LiveExecution,
    request: ExecutionRequest,
    result: RunResult,
    waitedMs: number,
  ): Promise<void> {
    const { verdict, usage, phases } = result
    const streams = await this.#keepStreams(live)
    const changes: ExecutionChanges = {
      ...streams.kept,
      request: null,
      exitCode: verdict.exitCode,
      signal: verdict.signal,
      error: verdict.error ?? streams.error,
      outputs: result.outputs,
      startKind: result.startKind,
      phases: { ...phases, queueMs: rounded(phases.queueMs + waitedMs) },
      cpuTimeMs: usage === undefined ? null : usage.cpuUs / 1000,
      peakMemoryBytes: usage?.peakMemoryBytes ?? null,
      durationMs: rounded(live.ageMs),
    }
    await this.#store(live, live.become(verdict.status, this.#parts.clock.now(), changes))
    live.settle()
    this.#retire(live)
    await this.#rememberResult(live, request)
  }

  /** Its code never began: the record says why. */
  async neverRan(live: LiveExecution, error: ClocheError): Promise<void> {
    live.failure = error
    if (error.fault === 'platform')
      this.#parts.log.warn('execution could not be run', {
        id: live.id,
        code: error.code,
        error: error.cause ?? error,
      })
    const status = live.hostCause === 'cancelled' ? 'cancelled' : 'error'
    const changes: ExecutionChanges = {
      request: null,
      error: { code: error.code, detail: error.detail },
      durationMs: rounded(live.ageMs),
    }
    await this.#store(live, live.become(status, this.#parts.clock.now(), changes))
    live.settle()
    this.#retire(live)
  }

  async #keepStreams(live: LiveExecution): Promise<{
    readonly kept: Record<StreamName, StreamRecord | null>
    readonly error: ExecutionRecord['error']
  }> {
    const kept: Record<StreamName, StreamRecord | null> = { stdout: null, stderr: null }
    let error: ExecutionRecord['error'] = null
    for (const name of STREAM_NAMES) {
      try {
        kept[name] = await keepStream(this.#parts.blobs, live.output[name])
      } catch (cause) {
        const known = asClocheError(cause)
        this.#parts.log.error('output could not be kept', { id: live.id, stream: name, error: cause })
        error = { code: known.code, detail: known.detail }
      }
    }
    return { kept, error }
  }

  /** An accepted one is answered by its record alone, so that has to be on disk; the others are in the journal at once. */
  async #store(live: LiveExecution, record: ExecutionRecord): Promise<void> {
    const { store, log } = this.#parts
    try {
      if (record.isAsync) await store.executions.commit(record)
      else store.executions.append(record)
    } catch (error) {
      log.error('an execution could not be stored', { id: live.id, error })
    }
  }

  /** Readers that are still at it keep the spool files; who comes after the last one reads from the record. */
  #retire(live: LiveExecution): void {
    const { blobs, log } = this.#parts
    const { record } = live
    live.output
      .retire((stream) => (offset, most) => readKeptAt(blobs, record[stream]?.kept, offset, most))
      .catch((error) => log.warn('a spool file could not be removed', { id: live.id, error }))
  }

  async #rememberResult(live: LiveExecution, request: ExecutionRequest): Promise<void> {
    const { record, resultKey } = live
    if (resultKey === null || request.resultTtlMs === null || record.status !== 'succeeded') return
    try {
      const expiresAt = this.#parts.clock.now() + request.resultTtlMs
      await this.#parts.store.results.put(live.tenantId, resultKey, record, expiresAt)
    } catch (error) {
      this.#parts.log.warn('a result could not be cached', { id: live.id, error })
    }
  }
}

function sandboxLimits(request: ExecutionRequest, inodesPerMib: number): Limits {
  const { limits } = request
  return { ...limits, inodes: Math.max(1024, Math.round((limits.diskBytes / MIB) * inodesPerMib)) }
}
