import { encodeWindowSize } from '../../protocol/exec.ts'
import { encodeFrame, encodeU32Frame, Frame, ProtocolError } from '../../protocol/frames.ts'
import { decodeWaitStatus, type ExitStatus, signalNumber } from '../../protocol/wait-status.ts'
import { ReceiveWindow } from '../../protocol/window.ts'
import type { Timer } from '../../std/clock.ts'
import type { OutputListener, Process, TerminalSize } from '../driver.ts'
import { programNotStarted } from '../failures.ts'
import type { ExecRequest } from './exec-request.ts'
import type { InitConnection, Operation } from './init-connection.ts'
import { KILL_DEADLINE_MS, type OperationHost, START_DEADLINE_MS } from './operation-host.ts'
import { StdinSender } from './stdin-sender.ts'

/** init has nothing to say with an empty output frame but the end of each stream. */
const MAX_EMPTY_OUTPUTS = 2

type State = 'starting' | 'running' | 'ended'

/**
 * One EXEC: starting (until STARTED), running (until EXIT), ended. ERROR ends either of the first two. What does not fit
 * the state is a protocol error.
 */
export class NativeProcess implements Process, Operation {
  readonly exited: Promise<ExitStatus>
  startedAtMs: number | undefined
  readonly #host: OperationHost
  readonly #request: ExecRequest
  readonly #connection: InitConnection
  readonly #stdin: StdinSender
  readonly #window = new ReceiveWindow()
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.#abort()
  #state: State = 'starting'
  #listener: OutputListener | undefined
  #paused = false
  #withheldBytes = 0
  #emptyOutputs = 0
  #deadline: Timer
  #resolve!: (status: ExitStatus) => void
  #reject!: (reason: unknown) => void

  constructor(host: OperationHost, request: ExecRequest, signal?: AbortSignal) {
    signal?.throwIfAborted()
    this.#host = host
    this.#request = request
    this.exited = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever only listens to the output need not ask how it ended.
    this.exited.catch(() => {})
    this.#connection = host.connect()
    this.#stdin = new StdinSender(this.#connection)
    this.#deadline = host.clock.after(START_DEADLINE_MS, () =>
      host.fail('unresponsive', 'a program was not started in time'),
    )
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#connection.begin(this)
    this.#connection.send(request.frames)
  }

  onOutput(listener: OutputListener): void {
    this.#listener = listener
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const bytes = this.#withheldBytes
    this.#withheldBytes = 0
    this.#credit(bytes)
  }

  writeStdin(chunk: Uint8Array): Promise<void> {
    if (!this.#request.stdin) return Promise.resolve()
    return new Promise((resolve) => this.#stdin.write(chunk, resolve))
  }

  endStdin(): void {
    if (this.#request.stdin) this.#stdin.end()
  }

  resize(size: TerminalSize): void {
    if (!this.#request.pty) return
    if (this.#state !== 'ended') this.#connection.send(encodeFrame(Frame.resize, encodeWindowSize(size)))
  }

  signal(name: NodeJS.Signals): void {
    if (this.#state !== 'ended') this.#connection.send(encodeU32Frame(Frame.signal, signalNumber(name)))
  }

  kill(): void {
    if (this.#state === 'ended') return
    this.signal('SIGKILL')
    this.#deadline.cancel()
    this.#deadline = this.#host.clock.after(KILL_DEADLINE_MS, () =>
      this.#host.fail('unresponsive', 'a killed program was not reported dead in time'),
    )
  }

  frame(type: number, payload: Buffer): void {
    switch (type) {
      case Frame.stdout:
      case Frame.stderr:
        this.#output(type === Frame.stdout ? 'stdout' : 'stderr', payload)
        break
      case Frame.started:
        this.#started()
        break
      case Frame.exit:
        if (this.#state !== 'running') throw new ProtocolError('an exit of what was not started')
        this.#settle()
        this.#resolve(decodeWaitStatus(payload.readUInt32LE(0)))
        break
      case Frame.error:
        this.#settle()
        this.#reject(programNotStarted(this.#request.program, payload.toString('utf8', 4)))
        break
      case Frame.creditStdin:
        this.#stdin.credit(payload.readUInt32LE(0))
        break
      default:
        throw new ProtocolError(`a frame of type 0x${type.toString(16)} in an exec`)
    }
  }

  lost(why: string): void {
    this.#settle()
    this.#host.connectionLost(why).then(this.#reject)
  }

  #started(): void {
    if (this.#state !== 'starting') throw new ProtocolError('a program started twice')
    this.#state = 'running'
    this.startedAtMs = this.#host.clock.monotonic()
    this.#deadline.cancel()
  }

  #output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (chunk.length === 0) {
      if (++this.#emptyOutputs > MAX_EMPTY_OUTPUTS) throw new ProtocolError('empty output without end')
      return
    }
    this.#window.receive(chunk.length)
    this.#listener?.(stream, chunk)
    if (this.#paused) this.#withheldBytes += chunk.length
    else this.#credit(chunk.length)
  }

  #credit(bytes: number): void {
    const credit = this.#window.consume(bytes)
    if (credit > 0 && this.#state !== 'ended') this.#connection.send(encodeU32Frame(Frame.credit, credit))
  }

  /** Closing the connection is what kills the program; the host need not wait for that. */
  #abort(): void {
    this.#settle()
    this.#reject(this.#signal?.reason)
  }

  #settle(): void {
    this.#state = 'ended'
    this.#deadline.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#stdin.close()
    this.#connection.close()
  }
}
