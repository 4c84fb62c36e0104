import type { ClocheError } from '../model/errors.ts'
import type { ExecutionChanges, ExecutionRecord } from '../model/execution.ts'
import { transition } from '../model/execution.ts'
import { type ExecutionStatus, isFinal, mayFollow } from '../model/execution-status.ts'
import type { ExecutionId, TenantId } from '../model/ids.ts'
import type { Process, TerminalSize } from '../sandbox/driver.ts'
import type { Clock } from '../std/clock.ts'
import type { OutputLog } from './output-log.ts'
import type { HostCause } from './verdict.ts'

/** Why the run's signal aborted. */
export class RunEnded extends Error {
  override readonly name = 'RunEnded'
  readonly hostCause: HostCause

  constructor(hostCause: HostCause) {
    super(`the run was ended: ${hostCause}`)
    this.hostCause = hostCause
  }
}

/** An execution from its acceptance until its record is final: its state, its output as it comes, and the ways to act on it. */
export class LiveExecution {
  readonly output: OutputLog
  /** Resolves when the record is final and stored. */
  readonly finished: Promise<ExecutionRecord>
  /** Aborts when the run has to end; the reason is a RunEnded. */
  readonly signal: AbortSignal
  readonly #ending = new AbortController()
  readonly #finish = Promise.withResolvers<ExecutionRecord>()
  readonly #started = Promise.withResolvers<void>()
  readonly #clock: Clock
  readonly #acceptedMs: number
  /** Why its code never began. */
  failure: ClocheError | undefined
  /** Accepted, and its turn has not come. */
  waitsForDispatch = false
  /** Under which its result may answer equal requests. */
  resultKey: string | null = null
  #record: ExecutionRecord
  #process: Process | undefined
  #inputEnded = false

  /** `waitedMs`: what it had waited before this process knew of it. */
  constructor(record: ExecutionRecord, output: OutputLog, clock: Clock, waitedMs = 0) {
    this.#record = record
    this.#clock = clock
    this.#acceptedMs = clock.monotonic() - waitedMs
    this.output = output
    this.signal = this.#ending.signal
    this.finished = this.#finish.promise
    this.finished.catch(() => {})
  }

  get id(): ExecutionId {
    return this.#record.id
  }

  get tenantId(): TenantId {
    return this.#record.tenantId
  }

  get record(): ExecutionRecord {
    return this.#record
  }

  /** Since it was accepted. */
  get ageMs(): number {
    return this.#clock.monotonic() - this.#acceptedMs
  }

  get hostCause(): HostCause | undefined {
    return this.signal.aborted && this.signal.reason instanceof RunEnded
      ? this.signal.reason.hostCause
      : undefined
  }

  /** Resolves when the program has been started, or the execution has ended without that. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  /** Moves the record on; the caller stores it. */
  become(status: ExecutionStatus, nowMs: number, changes?: ExecutionChanges): ExecutionRecord {
    this.#record = transition(this.#record, status, nowMs, changes)
    return this.#record
  }

  mayBecome(status: ExecutionStatus): boolean {
    return mayFollow(this.#record.status, status)
  }

  /** Puts an end to it. The first cause counts; what has ended stays as it is. */
  end(cause: HostCause): void {
    if (!this.signal.aborted && !isFinal(this.#record.status)) this.#ending.abort(new RunEnded(cause))
  }

  runs(process: Process): void {
    this.#process = process
    this.#started.resolve()
  }

  /** For an execution that is interactive: passed on within the program's window. */
  async writeInput(chunk: Buffer): Promise<void> {
    await this.started
    if (!this.#inputEnded) await this.#process?.writeStdin(chunk)
  }

  async endInput(): Promise<void> {
    await this.started
    this.#inputEnded = true
    this.#process?.endStdin()
  }

  async resize(size: TerminalSize): Promise<void> {
    await this.started
    this.#process?.resize(size)
  }

  async sendSignal(name: NodeJS.Signals): Promise<void> {
    await this.started
    this.#process?.signal(name)
  }

  /** The record is final and stored. */
  settle(): void {
    this.#started.resolve()
    this.output.end()
    this.#finish.resolve(this.#record)
  }
}
