/*
 * protocol: how the host talks with `init` inside a sandbox and with the launcher beside it, as bytes.
 *
 * Guarantees: decoding never believes a length before it has checked it, never keeps more than one frame's worth of a
 * partial message, and answers anything outside the protocol with a `ProtocolError`. Encoding never makes a frame the
 * other side would refuse. No sockets, no clocks, no state beyond a partial message.
 *
 * Does not: decide what a protocol error means (the sandbox driver ends the sandbox), or which frame fits which moment of
 * an operation.
 */

/** The other side sent what the protocol does not allow. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** A frame: u32 LE payload length, u8 type, payload. */
export const FRAME_HEAD_BYTES = 5
export const MAX_FRAME_PAYLOAD = 65_536

/** What a sender may have on its way without credit, in each direction of a stream. */
export const WINDOW_BYTES = 262_144

export const Frame = {
  exec: 0x01,
  execPart: 0x02,
  dial: 0x03,
  listen: 0x04,
  accept: 0x05,
  reset: 0x06,
  stdin: 0x10,
  resize: 0x11,
  signal: 0x12,
  credit: 0x13,
  stdout: 0x20,
  stderr: 0x21,
  exit: 0x22,
  error: 0x23,
  started: 0x24,
  incoming: 0x25,
  datagram: 0x26,
  creditStdin: 0x27,
} as const

/** The payload sizes each type may have; a type that is not listed may not be sent at all. */
export type FrameBounds = ReadonlyMap<number, readonly [min: number, max: number]>

/** A DNS message over UDP is at most this with EDNS; anything larger is noise. */
export const MAX_DATAGRAM_BYTES = 4096
export const MAX_ERROR_BYTES = 4096

export const FROM_INIT: FrameBounds = new Map([
  [Frame.stdout, [0, MAX_FRAME_PAYLOAD]],
  [Frame.stderr, [0, MAX_FRAME_PAYLOAD]],
  [Frame.exit, [4, 4]],
  [Frame.error, [4, 4 + MAX_ERROR_BYTES]],
  [Frame.started, [4, 4]],
  [Frame.incoming, [23, 23]],
  [Frame.datagram, [4, 4 + MAX_DATAGRAM_BYTES]],
  [Frame.creditStdin, [4, 4]],
])

export const TO_INIT: FrameBounds = new Map([
  [Frame.exec, [0, MAX_FRAME_PAYLOAD]],
  [Frame.execPart, [0, MAX_FRAME_PAYLOAD]],
  [Frame.dial, [1, 256]],
  [Frame.listen, [0, 0]],
  [Frame.accept, [4, 4]],
  [Frame.reset, [0, 0]],
  [Frame.stdin, [0, MAX_FRAME_PAYLOAD]],
  [Frame.resize, [4, 4]],
  [Frame.signal, [4, 4]],
  [Frame.credit, [4, 4]],
  [Frame.datagram, [4, 4 + MAX_DATAGRAM_BYTES]],
])

export function frameHead(type: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
  writeFrameHead(head, 0, type, payloadBytes)
  return head
}

export function writeFrameHead(into: Buffer, at: number, type: number, payloadBytes: number): void {
  if (payloadBytes > MAX_FRAME_PAYLOAD) throw new RangeError(`a frame cannot carry ${payloadBytes} bytes`)
  into.writeUInt32LE(payloadBytes, at)
  into[at + 4] = type
}

export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length)
  writeFrameHead(frame, 0, type, payload.length)
  frame.set(payload, FRAME_HEAD_BYTES)
  return frame
}

/** A frame whose payload is one u32: signals, credits, connection numbers. */
export function encodeU32Frame(type: number, value: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + 4)
  writeFrameHead(frame, 0, type, 4)
  frame.writeUInt32LE(value, FRAME_HEAD_BYTES)
  return frame
}

export type FrameListener = (type: number, payload: Buffer) => void

/**
 * Cuts a byte stream into frames. A payload that lies whole in one chunk is a view of it (nothing is copied); one that is
 * split is gathered. The listener may call `stop`: nothing more is delivered then.
 */
export class FrameReader {
  readonly #bounds: FrameBounds
  readonly #listener: FrameListener
  #head: Buffer | undefined
  #headFilled = 0
  #payload: Buffer | undefined
  #payloadFilled = 0
  #type = 0
  #stopped = false

  constructor(bounds: FrameBounds, listener: FrameListener) {
    this.#bounds = bounds
    this.#listener = listener
  }

  /** Whether the stream may end here without cutting a frame in two. */
  get atBoundary(): boolean {
    return this.#headFilled === 0 && this.#payload === undefined
  }

  stop(): void {
    this.#stopped = true
    this.#payload = undefined
  }

  /** Throws a ProtocolError for a frame out of bounds; the stream is then lost. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.#stopped) {
      if (this.#payload !== undefined) {
        at += this.#fillPayload(this.#payload, chunk, at)
      } else if (this.#headFilled === 0 && chunk.length - at >= FRAME_HEAD_BYTES) {
        at = this.#open(chunk, at, chunk.readUInt32LE(at), chunk[at + 4] ?? 0)
      } else {
        at = this.#fillHead(chunk, at)
      }
    }
  }

  /** A head lies whole in the chunk: takes the payload too if it is there. */
  #open(chunk: Buffer, headAt: number, length: number, type: number): number {
    this.#check(type, length)
    const from = headAt + FRAME_HEAD_BYTES
    if (chunk.length - from >= length) {
      this.#listener(type, chunk.subarray(from, from + length))
      return from + length
    }
    this.#expect(type, length)
    return from
  }

  #fillHead(chunk: Buffer, at: number): number {
    this.#head ??= Buffer.allocUnsafe(FRAME_HEAD_BYTES)
    const taken = chunk.copy(this.#head, this.#headFilled, at)
    this.#headFilled += taken
    if (this.#headFilled === FRAME_HEAD_BYTES) {
      this.#headFilled = 0
      const length = this.#head.readUInt32LE(0)
      const type = this.#head[4] ?? 0
      this.#check(type, length)
      if (length === 0) this.#listener(type, EMPTY)
      else this.#expect(type, length)
    }
    return at + taken
  }

  #expect(type: number, length: number): void {
    this.#type = type
    this.#payload = Buffer.allocUnsafe(length)
    this.#payloadFilled = 0
  }

  #fillPayload(payload: Buffer, chunk: Buffer, at: number): number {
    const taken = chunk.copy(payload, this.#payloadFilled, at)
    this.#payloadFilled += taken
    if (this.#payloadFilled === payload.length) {
      this.#payload = undefined
      this.#listener(this.#type, payload)
    }
    return taken
  }

  #check(type: number, length: number): void {
    const bounds = this.#bounds.get(type)
    if (bounds === undefined) throw new ProtocolError(`a frame of unknown type 0x${type.toString(16)}`)
    if (length < bounds[0] || length > bounds[1]) {
      throw new ProtocolError(`a frame of type 0x${type.toString(16)} with ${length} bytes`)
    }
  }
}

const EMPTY = Buffer.alloc(0)
