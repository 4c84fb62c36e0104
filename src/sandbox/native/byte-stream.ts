import { Duplex } from 'node:stream'
import { encodeU32Frame, Frame, ProtocolError } from '../../protocol/frames.ts'
import { ReceiveWindow } from '../../protocol/window.ts'
import type { InitConnection, Operation } from './init-connection.ts'
import type { OperationHost } from './operation-host.ts'
import { StdinSender } from './stdin-sender.ts'

/**
 * The bytes of a connection inside the sandbox, for DIAL and ACCEPT. Each direction ends by itself; destroying the stream
 * resets the inner connection. Reading slowly holds up the sender inside, by the window.
 */
export class ByteStream extends Duplex implements Operation {
  readonly #host: OperationHost
  readonly #connection: InitConnection
  readonly #sender: StdinSender
  readonly #window = new ReceiveWindow()
  readonly #refused: (reason: string) => Error
  #withheldBytes = 0
  #ended = false

  /** `refused` makes the error for what init answers instead of bytes. */
  constructor(host: OperationHost, request: Buffer, refused: (reason: string) => Error) {
    super({ allowHalfOpen: true, readableHighWaterMark: 65_536 })
    this.#host = host
    this.#refused = refused
    this.#connection = host.connect()
    this.#sender = new StdinSender(this.#connection)
    this.#connection.begin(this)
    this.#connection.send(request)
  }

  frame(type: number, payload: Buffer): void {
    switch (type) {
      case Frame.stdout:
        this.#receive(payload)
        break
      case Frame.exit:
        this.#endOfBytes()
        this.#sender.close()
        this.#connection.close()
        break
      case Frame.error:
        this.destroy(this.#refused(payload.toString('utf8', 4)))
        break
      case Frame.creditStdin:
        this.#sender.credit(payload.readUInt32LE(0))
        break
      default:
        throw new ProtocolError(`a frame of type 0x${type.toString(16)} in a byte stream`)
    }
  }

  lost(why: string): void {
    this.#sender.close()
    this.#host.connectionLost(why).then((error) => this.destroy(error))
  }

  override _read(): void {
    const bytes = this.#withheldBytes
    this.#withheldBytes = 0
    this.#credit(bytes)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#sender.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#sender.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#sender.close()
    this.#connection.close()
    done(error)
  }

  #receive(payload: Buffer): void {
    if (this.#ended) throw new ProtocolError('bytes after the end of them')
    if (payload.length === 0) {
      this.#endOfBytes()
      return
    }
    this.#window.receive(payload.length)
    if (this.push(payload)) this.#credit(payload.length)
    else this.#withheldBytes += payload.length
  }

  #endOfBytes(): void {
    if (this.#ended) return
    this.#ended = true
    this.push(null)
  }

  #credit(bytes: number): void {
    const credit = this.#window.consume(bytes)
    if (credit > 0) this.#connection.send(encodeU32Frame(Frame.credit, credit))
  }
}
