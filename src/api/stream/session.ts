import type { WebSocket } from 'ws'
import type { LiveExecution } from '../../execution/live.ts'
import { BEGINNING } from '../../execution/output-log.ts'
import type { Caller } from '../../execution/parts.ts'
import { asClocheError, ClocheError, fail } from '../../model/errors.ts'
import type { ExecutionRecord } from '../../model/execution.ts'
import { isExecutionId } from '../../model/ids.ts'
import type { ApiParts } from '../parts.ts'
import { encodedPiece, exitOf } from '../routes/events.ts'
import { checkedRequest } from '../routes/execute.ts'
import { type ClientMessage, parseMessage } from './messages.ts'

/** Close codes of RFC 6455. */
const Close = { normal: 1000, goingAway: 1001, policy: 1008, internal: 4500 } as const

/** Input that waits for the program while more is taken off the connection. */
const INPUT_BEHIND = 16

/**
 * One WebSocket: starts or attaches to one execution, sends what comes out, takes what goes in. It pulls output at the pace of
 * its own reader: a slow one finds everything later in the execution's log and holds up neither program nor server. What
 * was started here ends with the connection; what was attached to goes on.
 */
export class StreamSession {
  readonly #parts: ApiParts
  readonly #socket: WebSocket
  readonly #caller: Caller
  readonly #requestId: string
  readonly #gone = new AbortController()
  #live: LiveExecution | undefined
  #begun = false
  #owns = false
  /** Messages are carried out one after the other. */
  #turn: Promise<void> = Promise.resolve()
  #behind = 0

  constructor(parts: ApiParts, socket: WebSocket, caller: Caller, requestId: string) {
    this.#parts = parts
    this.#socket = socket
    this.#caller = caller
    this.#requestId = requestId
    const { heartbeatMs, firstMessageMs } = parts.settings.stream
    const beat = setInterval(() => this.#beat(), heartbeatMs)
    const first = setTimeout(
      () => this.#refuse(new ClocheError('request_timeout', { waitedMs: firstMessageMs })),
      firstMessageMs,
    )
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      clearTimeout(first)
      this.#take(data, isBinary)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(beat)
      clearTimeout(first)
      this.#gone.abort()
      if (this.#owns) this.#live?.end('cancelled')
    })
  }

  /** The server is stopping; the client may attach again elsewhere. */
  close(): void {
    this.#socket.close(Close.goingAway, 'the server is stopping')
  }

  #take(data: Buffer, isBinary: boolean): void {
    this.#behind++
    if (this.#behind === INPUT_BEHIND) this.#socket.pause()
    this.#turn = this.#turn
      .then(() => this.#obey(parseMessage(data, isBinary)))
      .catch((error) => this.#refuse(error))
      .finally(() => {
        this.#behind--
        if (this.#behind === 0 && this.#socket.isPaused) this.#socket.resume()
      })
  }

  async #obey(message: ClientMessage): Promise<void> {
    if (this.#gone.signal.aborted) return
    if (message.type === 'start' || message.type === 'attach') {
      if (this.#begun) fail('conflict', { what: 'stream', reason: 'has its execution already' })
      this.#begun = true
      return message.type === 'start' ? this.#start(message.request) : this.#attach(message.executionId)
    }
    const live = this.#live
    if (live === undefined) {
      if (!this.#begun) fail('conflict', { what: 'stream', reason: 'needs a "start" or "attach" first' })
      return
    }
    switch (message.type) {
      case 'stdin':
        return live.writeInput(Buffer.from(message.data, message.encoding ?? 'base64'))
      case 'stdin_eof':
        return live.endInput()
      case 'resize':
        return live.resize(message)
      case 'signal':
        return live.sendSignal(message.signal)
    }
  }

  async #start(json: unknown): Promise<void> {
    const request = checkedRequest(this.#parts, json, { interactive: true })
    const started = await this.#parts.executions.begin(this.#caller, request)
    if (started.kind === 'recorded') return this.#replay(started.record)
    this.#live = started.live
    this.#owns = !started.repeated && request.idempotencyKey === null
    if (this.#gone.signal.aborted && this.#owns) started.live.end('cancelled')
    void this.#follow(started.live)
  }

  async #attach(id: string): Promise<void> {
    const { executions } = this.#parts
    if (!isExecutionId(id)) return fail('not_found', { what: 'execution', id })
    const live = executions.liveOf(this.#caller.tenantId, id)
    if (live === undefined) return this.#replay(await executions.get(this.#caller.tenantId, id))
    this.#live = live
    void this.#follow(live)
  }

  async #follow(live: LiveExecution): Promise<void> {
    try {
      await live.started
      // Why it could not be run is all there is to say.
      if (live.failure !== undefined) throw live.failure
      await this.#send({ type: 'started', executionId: live.id })
      for await (const piece of live.output.follow(BEGINNING, this.#gone.signal)) {
        await this.#send({ type: piece.stream, ...encodedPiece(piece.bytes) })
      }
      this.#end(await live.finished)
    } catch (error) {
      this.#refuse(error)
    }
  }

  /** An execution that has ended: all of its output, then how it ended. */
  async #replay(record: ExecutionRecord): Promise<void> {
    await this.#send({ type: 'started', executionId: record.id })
    for await (const piece of this.#parts.executions.outputOf(record, BEGINNING)) {
      if (this.#gone.signal.aborted) return
      await this.#send({ type: piece.stream, ...encodedPiece(piece.bytes) })
    }
    this.#end(record)
  }

  #end(record: ExecutionRecord): void {
    this.#owns = false
    if (this.#gone.signal.aborted) return
    this.#socket.send(JSON.stringify({ type: 'exit', ...exitOf(record) }))
    this.#socket.close(Close.normal)
  }

  /** Resolves when there is room for more; rejects when the reader has taken nothing for too long. */
  #send(message: object): Promise<void> {
    const { unsentBytes } = this.#parts.settings.stream
    return new Promise((resolve, reject) => {
      if (this.#gone.signal.aborted) return resolve()
      const waits = this.#socket.bufferedAmount > unsentBytes
      const timer = waits
        ? setTimeout(() => this.#tooSlow(reject), this.#parts.settings.slowReaderMs)
        : undefined
      this.#socket.send(JSON.stringify(message), () => {
        clearTimeout(timer)
        resolve()
      })
      if (!waits) resolve()
    })
  }

  #tooSlow(reject: (error: unknown) => void): void {
    reject(new ClocheError('slow_consumer', { bufferedBytes: this.#socket.bufferedAmount }))
    this.#socket.terminate()
  }

  #beat(): void {
    if (this.#socket.bufferedAmount > 0) return
    this.#socket.send(
      JSON.stringify({ type: 'heartbeat', time: new Date(this.#parts.clock.now()).toISOString() }),
    )
  }

  #refuse(cause: unknown): void {
    if (this.#gone.signal.aborted) return
    const error = asClocheError(cause)
    if (error.code === 'internal')
      this.#parts.log.error('stream failed', { requestId: this.#requestId, error: cause })
    this.#socket.send(JSON.stringify({ type: 'error', ...error.toBody(this.#requestId) }))
    this.#socket.close(error.fault === 'platform' ? Close.internal : Close.policy, error.code)
  }
}
