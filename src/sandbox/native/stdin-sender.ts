import { Frame, MAX_FRAME_PAYLOAD } from '../../protocol/frames.ts'
import { SendWindow } from '../../protocol/window.ts'
import type { InitConnection } from './init-connection.ts'

/** Bytes for the inside, cut into frames and held back by the window. A chunk is done when its last byte is on its way. */
export class StdinSender {
  readonly #connection: InitConnection
  readonly #window = new SendWindow()
  readonly #waiting: { chunk: Uint8Array; done: () => void }[] = []
  #ending = false
  #closed = false

  constructor(connection: InitConnection) {
    this.#connection = connection
  }

  /** Empty chunks are done at once: an empty frame would mean the end. */
  write(chunk: Uint8Array, done: () => void): void {
    if (this.#closed || this.#ending || chunk.length === 0) {
      done()
      return
    }
    this.#waiting.push({ chunk, done })
    if (this.#waiting.length === 1) this.#pump()
  }

  /** The end follows what was written before. */
  end(): void {
    if (this.#ending || this.#closed) return
    this.#ending = true
    this.#endIfEmpty()
  }

  /** May throw a ProtocolError. */
  credit(bytes: number): void {
    this.#window.credit(bytes)
    this.#pump()
  }

  /** Nobody reads any more: whoever waits is let go. */
  close(): void {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0)) waiting.done()
  }

  #pump(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      while (head.chunk.length > 0) {
        const size = Math.min(head.chunk.length, this.#window.available, MAX_FRAME_PAYLOAD)
        if (size === 0) return
        this.#window.send(size)
        this.#connection.sendPayload(Frame.stdin, head.chunk.subarray(0, size))
        head.chunk = head.chunk.subarray(size)
      }
      this.#waiting.shift()
      head.done()
    }
    this.#endIfEmpty()
  }

  #endIfEmpty(): void {
    if (!this.#ending || this.#closed || this.#waiting.length > 0) return
    this.#closed = true
    this.#connection.sendPayload(Frame.stdin, EMPTY)
  }
}

const EMPTY = new Uint8Array(0)
