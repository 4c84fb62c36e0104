import { Frame, ProtocolError } from '../../protocol/frames.ts'
import type { Timer } from '../../std/clock.ts'
import type { InitConnection, Operation } from './init-connection.ts'
import { type OperationHost, RESET_DEADLINE_MS } from './operation-host.ts'

/** The RESET operation. Whatever but a plain yes ends the sandbox: a half-reset one must not be used again. */
export class ResetOperation implements Operation {
  readonly done: Promise<void>
  readonly #host: OperationHost
  readonly #connection: InitConnection
  readonly #signal: AbortSignal | undefined
  readonly #deadline: Timer
  readonly #onAbort = (): void => this.#fail('unresponsive', 'its reset was given up')
  #resolve!: () => void
  #reject!: (reason: unknown) => void

  constructor(host: OperationHost, signal?: AbortSignal) {
    this.#host = host
    this.#signal = signal
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#connection = host.connect()
    this.#deadline = host.clock.after(RESET_DEADLINE_MS, () =>
      this.#fail('unresponsive', 'its reset took too long'),
    )
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#connection.begin(this)
    this.#connection.sendPayload(Frame.reset, new Uint8Array(0))
    if (signal?.aborted) this.#onAbort()
  }

  frame(type: number, payload: Buffer): void {
    if (type === Frame.exit && payload.readUInt32LE(0) === 0) {
      this.#settle()
      this.#resolve()
    } else if (type === Frame.exit || type === Frame.error) {
      this.#fail(
        'unresponsive',
        `its reset failed: ${type === Frame.error ? payload.toString('utf8', 4) : 'not empty'}`,
      )
    } else {
      throw new ProtocolError(`a frame of type 0x${type.toString(16)} in a reset`)
    }
  }

  lost(why: string): void {
    this.#settle()
    this.#host.connectionLost(why).then(this.#reject)
  }

  #fail(cause: 'unresponsive', detail: string): void {
    this.#settle()
    this.#host.fail(cause, detail)
    this.#host.connectionLost(detail).then(this.#reject)
  }

  #settle(): void {
    this.#deadline.cancel()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#connection.close()
  }
}
