import { connect, type Socket } from 'node:net'
import { FROM_INIT, FrameReader, frameHead, ProtocolError } from '../../protocol/frames.ts'

/** What one connection is used for; exactly one operation per connection. */
export interface Operation {
  /** May throw a ProtocolError. The payload is the operation's own. */
  frame(type: number, payload: Buffer): void
  /** The connection is gone before `close` was called. Called at most once, and nothing after it. */
  lost(why: string): void
}

/** What a sandbox hears about its connections. */
export interface ConnectionWatcher {
  protocolError(detail: string): void
  /** It was closed or lost: called once. */
  gone(connection: InitConnection): void
}

/** init reads at once what fits its windows; a sandbox with this much unread has stopped reading. */
const MAX_UNREAD_BYTES = 1 << 20

/** Below this a payload is copied behind its head: one small write is cheaper than two gathered. */
const COPY_BYTES = 4096

/**
 * One connection to the init of a sandbox, opened at once and given to an operation later, so that connecting can happen
 * before it is needed. Decodes and bounds what comes; anything outside the protocol is told to the watcher.
 */
export class InitConnection {
  readonly #socket: Socket
  readonly #watcher: ConnectionWatcher
  readonly #reader: FrameReader
  #operation: Operation | undefined
  #closed = false
  #lostWhy: string | undefined

  constructor(socketPath: string, watcher: ConnectionWatcher) {
    this.#watcher = watcher
    this.#reader = new FrameReader(FROM_INIT, (type, payload) => this.#deliver(type, payload))
    this.#socket = connect({ path: socketPath, allowHalfOpen: true })
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('end', () =>
      this.#lose(this.#reader.atBoundary ? 'init closed it' : 'init closed it inside a frame'),
    )
    this.#socket.on('error', (error) => this.#lose(error.message))
    this.#socket.on('close', () => this.#lose('it was closed'))
  }

  /** False once it was closed or lost. */
  get usable(): boolean {
    return !this.#closed && this.#lostWhy === undefined
  }

  /** Gives the connection to its operation. If it is lost already the operation hears so in the next turn. */
  begin(operation: Operation): void {
    this.#operation = operation
    const why = this.#lostWhy
    if (why !== undefined) queueMicrotask(() => this.#tellLost(why))
  }

  send(frame: Uint8Array): void {
    if (!this.usable) return
    this.#socket.write(frame)
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#break('init has stopped reading')
  }

  /** A frame around bytes that are not copied, unless they are few. */
  sendPayload(type: number, payload: Uint8Array): void {
    if (!this.usable) return
    const head = frameHead(type, payload.length)
    if (payload.length <= COPY_BYTES) {
      this.send(payload.length === 0 ? head : Buffer.concat([head, payload]))
      return
    }
    this.#socket.cork()
    this.#socket.write(head)
    this.send(payload)
    this.#socket.uncork()
  }

  /** What comes waits on the other side; what has been read already is still delivered. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** One frame and the end, for what needs no answer. */
  sendLast(frame: Uint8Array): void {
    if (!this.usable) return
    this.#closed = true
    this.#reader.stop()
    this.#socket.end(frame, () => this.#socket.destroy())
    this.#watcher.gone(this)
  }

  /** Nothing more is delivered; init takes it as the host's wish that the operation ends. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#reader.stop()
    this.#socket.destroy()
    if (this.#lostWhy === undefined) this.#watcher.gone(this)
  }

  /** The sandbox is over, whether or not its init hangs up: the operation hears that it was lost. */
  giveUp(why: string): void {
    this.#lose(why)
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return
    try {
      this.#reader.push(chunk)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#break(error.message)
    }
  }

  #deliver(type: number, payload: Buffer): void {
    if (this.#operation === undefined) throw new ProtocolError('a frame before an operation began')
    this.#operation.frame(type, payload)
  }

  #break(detail: string): void {
    this.#watcher.protocolError(detail)
    this.#lose(detail)
  }

  #lose(why: string): void {
    if (!this.usable) return
    this.#lostWhy = why
    this.#reader.stop()
    this.#socket.destroy()
    this.#watcher.gone(this)
    this.#tellLost(why)
  }

  #tellLost(why: string): void {
    if (this.#closed) return
    const operation = this.#operation
    if (operation === undefined) return
    this.#closed = true
    operation.lost(why)
  }
}
