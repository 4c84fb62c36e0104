import { ProtocolError } from './frames.ts'

export const MAX_PATH_BYTES = 4096
export const RECORD_TAIL_BYTES = 12

/** The head of a record: u32 LE path length, path, u32 LE mode, u64 LE size. As many bytes follow it. */
export interface RecordHead {
  readonly path: string
  readonly mode: number
  readonly size: bigint
}

/** Cuts heads out of chunks that end anywhere, keeping never more than one head. */
export class RecordHeads {
  #begun: Buffer<ArrayBufferLike> = Buffer.alloc(0)

  /** Nothing of a head is waiting for its rest. */
  get empty(): boolean {
    return this.#begun.length === 0
  }

  /** The head, if the chunk completes it, and what of the chunk is not part of it. */
  take(chunk: Buffer): { readonly head: RecordHead | undefined; readonly rest: Buffer } {
    const had = this.#begun.length
    const wanted = headBytes(had === 0 ? chunk : Buffer.concat([this.#begun, chunk.subarray(0, 4)]))
    if (had + chunk.length < wanted) {
      this.#begun = Buffer.concat([this.#begun, chunk])
      return { head: undefined, rest: chunk.subarray(chunk.length) }
    }
    const taken = wanted - had
    const bytes = had === 0 ? chunk : Buffer.concat([this.#begun, chunk.subarray(0, taken)])
    this.#begun = Buffer.alloc(0)
    return { head: decode(bytes, wanted), rest: chunk.subarray(taken) }
  }
}

function headBytes(start: Buffer): number {
  if (start.length < 4) return 4 + 1 + RECORD_TAIL_BYTES
  const pathBytes = start.readUInt32LE(0)
  if (pathBytes === 0 || pathBytes > MAX_PATH_BYTES)
    throw new ProtocolError(`a file with a path of ${pathBytes} bytes`)
  return 4 + pathBytes + RECORD_TAIL_BYTES
}

function decode(bytes: Buffer, length: number): RecordHead {
  const tail = length - RECORD_TAIL_BYTES
  return {
    path: bytes.toString('utf8', 4, tail),
    mode: bytes.readUInt32LE(tail),
    size: bytes.readBigUInt64LE(tail + 4),
  }
}
