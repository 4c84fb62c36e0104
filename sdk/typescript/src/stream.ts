// A running execution, live: its output as events or as an async iterator, its input the other way. One WebSocket.
//
// Guarantees: text events never cut a character in two; output comes in the order it was sent; nothing that arrives
// before the first listener (or iterator, or result()) is lost; exactly one of `complete` and `error` ends a stream.
// Does not do: reconnect by itself. After an error, stream(executionId) attaches again.
import { fromBase64, toBase64 } from './bytes.ts'
import { errorFromBody } from './error-from-answer.ts'
import { ClientTimeoutError, type ClocheError, StreamClosedError, UnreadableAnswerError } from './errors.ts'
import type { Socket } from './socket-face.ts'

/** How the execution ended. Everything else about it: executions.get(executionId). */
export interface StreamEnd {
  readonly executionId: string
  readonly status: string
  readonly exitCode: number | null
  readonly signal: string | null
  readonly durationMs: number | null
  readonly startKind: string | null
  /** Why it ended otherwise than by the program's own exit. */
  readonly error: { readonly code: string; readonly detail: string } | null
}

export type StreamEvent =
  | { readonly type: 'started'; readonly executionId: string }
  | { readonly type: 'stdout' | 'stderr'; readonly text: string; readonly bytes: Uint8Array }
  | { readonly type: 'heartbeat' }
  | ({ readonly type: 'exit' } & StreamEnd)

export interface StreamListeners {
  started: (executionId: string) => void
  /** What the program wrote to stdout. */
  output: (text: string, bytes: Uint8Array) => void
  stderr: (text: string, bytes: Uint8Array) => void
  heartbeat: () => void
  exit: (end: StreamEnd) => void
  /** The last event of a stream that went well; exitCode is null when a signal or a limit ended the program. */
  complete: (exitCode: number | null, end: StreamEnd) => void
  error: (error: ClocheError) => void
}

type Happening = StreamEvent | { readonly type: 'error'; readonly error: ClocheError }
type ListenerSets = { [Name in keyof StreamListeners]: Set<StreamListeners[Name]> }

/** A message larger than this is sent in parts, so that input of any size passes the server's frame limit. */
const inputPartBytes = 48 * 1024
/** sendInput() waits while more than this is on its way. */
const inputWindowBytes = 1024 * 1024
const socketOpen = 1
/** The server sends a heart-beat at least every 15 s: without any message for four of them the connection is dead. */
const longestSilenceMs = 60_000

export interface StreamParts {
  readonly open: () => Socket
  /** A WebSocket does not tell why it could not be opened; this finds out. */
  readonly whyNotOpened: () => Promise<ClocheError>
  /** The first message: what to start, or what to attach to. */
  readonly first: object
  readonly executionId?: string
  readonly connectTimeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class ExecutionStream implements AsyncIterable<StreamEvent> {
  readonly #parts: StreamParts
  readonly #socket: Socket
  readonly #listeners: ListenerSets = {
    started: new Set(),
    output: new Set(),
    stderr: new Set(),
    heartbeat: new Set(),
    exit: new Set(),
    complete: new Set(),
    error: new Set(),
  }
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  readonly #iterators = new Set<(happening: Happening) => void>()
  #waitingForAnyone: Happening[] | undefined = []
  #toSend: object[] = []
  #last: Happening | undefined
  #watch: ReturnType<typeof setTimeout> | undefined
  #executionId: string | undefined
  #isOpened = false
  #isDiagnosing = false

  constructor(parts: StreamParts) {
    this.#parts = parts
    this.#executionId = parts.executionId
    this.#socket = parts.open()
    this.#socket.binaryType = 'arraybuffer'
    this.#watchSilence(parts.connectTimeoutMs, 'connecting the stream')
    this.#socket.addEventListener('open', () => this.#opened())
    this.#socket.addEventListener('message', (event) => this.#received(event.data))
    this.#socket.addEventListener('error', (event) => this.#broke(event))
    this.#socket.addEventListener('close', (event) => this.#closed(event.code, event.reason))
    parts.signal?.addEventListener('abort', () => this.close(), { once: true })
    if (parts.signal?.aborted) this.close()
  }

  /** Known at once when attaching; otherwise from the event `started` on. */
  get executionId(): string | undefined {
    return this.#executionId
  }

  on<Name extends keyof StreamListeners>(name: Name, listener: StreamListeners[Name]): this {
    this.#listeners[name].add(listener)
    this.#someoneListens()
    return this
  }

  off<Name extends keyof StreamListeners>(name: Name, listener: StreamListeners[Name]): this {
    this.#listeners[name].delete(listener)
    return this
  }

  /** How it ended. Rejects when the stream broke before that was known. */
  result(): Promise<StreamEnd> {
    return new Promise((resolve, reject) => {
      const settle = (happening: Happening): void => {
        if (happening.type === 'exit') resolve(endOf(happening))
        if (happening.type === 'error') reject(happening.error)
      }
      if (this.#last !== undefined) settle(this.#last)
      else this.#iterators.add(settle)
      this.#someoneListens()
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void> {
    const arrived: Happening[] =
      this.#waitingForAnyone === undefined && this.#last !== undefined ? [this.#last] : []
    let wake = (): void => {}
    const take = (happening: Happening): void => {
      arrived.push(happening)
      wake()
    }
    this.#iterators.add(take)
    this.#someoneListens()
    try {
      for (;;) {
        const happening = arrived.shift()
        if (happening === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          continue
        }
        if (happening.type === 'error') throw happening.error
        yield happening
        if (happening.type === 'exit') return
      }
    } finally {
      this.#iterators.delete(take)
    }
  }

  /** Writes to the program's stdin; resolves when there is room for more. Input after the end is dropped. */
  async sendInput(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
    for (let at = 0; at < bytes.length; at += inputPartBytes) {
      this.#send({ type: 'stdin', data: toBase64(bytes.subarray(at, at + inputPartBytes)) })
    }
    while (this.#last === undefined && this.#socket.bufferedAmount > inputWindowBytes) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Ends the program's stdin. */
  endInput(): void {
    this.#send({ type: 'stdin_eof' })
  }

  /** The size of the terminal, where the execution has one. */
  resize(columns: number, rows: number): void {
    this.#send({ type: 'resize', cols: columns, rows })
  }

  /** Sends a signal to the program, such as `SIGINT`. */
  signal(name: string): void {
    this.#send({ type: 'signal', signal: name })
  }

  /** Leaves the stream. An execution this stream only attached to goes on; one it started is cancelled by the server. */
  close(): void {
    if (this.#last === undefined)
      this.#happened({ type: 'error', error: new StreamClosedError('it was closed here') })
    this.#socket.close(1000)
  }

  #opened(): void {
    this.#isOpened = true
    this.#socket.send(JSON.stringify(this.#parts.first))
    for (const message of this.#toSend) this.#socket.send(JSON.stringify(message))
    this.#toSend = []
    this.#watchSilence(longestSilenceMs, 'the stream')
  }

  #send(message: object): void {
    if (this.#last !== undefined) return
    if (this.#socket.readyState === socketOpen) this.#socket.send(JSON.stringify(message))
    else this.#toSend.push(message)
  }

  #received(data: unknown): void {
    if (this.#last !== undefined) return
    this.#watchSilence(longestSilenceMs, 'the stream')
    const message = parseMessage(data)
    if (message === undefined) {
      this.#happened({
        type: 'error',
        error: new UnreadableAnswerError(0, 'the stream sent a message of unknown shape'),
      })
      this.#socket.close(1000)
      return
    }
    switch (message['type']) {
      case 'started':
        this.#executionId = textIn(message, 'executionId')
        return this.#happened({ type: 'started', executionId: this.#executionId })
      case 'stdout':
      case 'stderr':
        return this.#output(message['type'], bytesIn(message))
      case 'heartbeat':
        return this.#happened({ type: 'heartbeat' })
      case 'exit':
        return this.#exited(message)
      case 'error':
        return this.#happened({ type: 'error', error: errorFromBody(0, message['error'] ?? message) })
      default:
        // A newer server may know more kinds of messages; the ones above keep their meaning.
        return
    }
  }

  #output(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    this.#happened({ type: stream, text: this.#decoders[stream].decode(bytes, { stream: true }), bytes })
  }

  #exited(message: Message): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const text = this.#decoders[stream].decode()
      if (text !== '') this.#happened({ type: stream, text, bytes: new Uint8Array() })
    }
    this.#happened({
      type: 'exit',
      executionId: this.#executionId ?? textIn(message, 'executionId'),
      status: textIn(message, 'status'),
      exitCode: numberIn(message, 'exitCode'),
      signal: typeof message['signal'] === 'string' ? message['signal'] : null,
      durationMs: numberIn(message, 'durationMs'),
      startKind: typeof message['startKind'] === 'string' ? message['startKind'] : null,
      error: reasonIn(message['error']),
    })
    this.#socket.close(1000)
  }

  #broke(event: object): void {
    if (this.#last !== undefined) return
    if (this.#isOpened) {
      const cause = 'error' in event ? event.error : 'message' in event ? event.message : undefined
      this.#happened({ type: 'error', error: new StreamClosedError('the connection broke', cause) })
      return
    }
    this.#isDiagnosing = true
    this.#parts.whyNotOpened().then((error) => this.#happened({ type: 'error', error }))
  }

  #closed(code: number, reason: string): void {
    if (this.#last !== undefined || this.#isDiagnosing) return
    const why = reason === '' ? `closed by the server with code ${code}` : `${reason} (code ${code})`
    this.#happened({ type: 'error', error: new StreamClosedError(why) })
  }

  #watchSilence(ms: number, what: string): void {
    clearTimeout(this.#watch)
    this.#watch = setTimeout(() => {
      this.#happened({ type: 'error', error: new ClientTimeoutError(what, ms) })
      this.#socket.close(1000)
    }, ms)
  }

  #happened(happening: Happening): void {
    if (this.#last !== undefined) return
    if (happening.type === 'exit' || happening.type === 'error') {
      this.#last = happening
      clearTimeout(this.#watch)
    }
    if (this.#waitingForAnyone !== undefined) this.#waitingForAnyone.push(happening)
    else this.#deliver(happening)
  }

  /** From the first consumer on events flow; those before it are delivered now, after the caller has set up the rest. */
  #someoneListens(): void {
    if (this.#waitingForAnyone === undefined) return
    queueMicrotask(() => {
      const waiting = this.#waitingForAnyone ?? []
      this.#waitingForAnyone = undefined
      for (const happening of waiting) this.#deliver(happening)
    })
  }

  #deliver(happening: Happening): void {
    for (const take of this.#iterators) take(happening)
    switch (happening.type) {
      case 'started':
        return call(this.#listeners.started, happening.executionId)
      case 'stdout':
        return call(this.#listeners.output, happening.text, happening.bytes)
      case 'stderr':
        return call(this.#listeners.stderr, happening.text, happening.bytes)
      case 'heartbeat':
        return call(this.#listeners.heartbeat)
      case 'exit':
        call(this.#listeners.exit, endOf(happening))
        return call(this.#listeners.complete, happening.exitCode, endOf(happening))
      case 'error':
        return call(this.#listeners.error, happening.error)
    }
  }
}

type Message = Readonly<Record<string, unknown>>

function parseMessage(data: unknown): Message | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null && 'type' in value ? { ...value } : undefined
  } catch {
    return undefined
  }
}

function bytesIn(message: Message): Uint8Array {
  const data = textIn(message, 'data')
  return message['encoding'] === 'utf8' ? new TextEncoder().encode(data) : fromBase64(data)
}

function textIn(message: Message, key: string): string {
  const value = message[key]
  return typeof value === 'string' ? value : ''
}

function numberIn(message: Message, key: string): number | null {
  const value = message[key]
  return typeof value === 'number' ? value : null
}

function reasonIn(value: unknown): StreamEnd['error'] {
  if (typeof value !== 'object' || value === null) return null
  return { code: textIn({ ...value }, 'code'), detail: textIn({ ...value }, 'detail') }
}

function endOf({ type: _type, ...end }: StreamEnd & { readonly type: 'exit' }): StreamEnd {
  return end
}

function call<Args extends unknown[]>(listeners: ReadonlySet<(...args: Args) => void>, ...args: Args): void {
  for (const listener of listeners) listener(...args)
}
