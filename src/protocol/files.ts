import { ProtocolError } from './frames.ts'

/** A record: u32 LE path length, path, u32 LE mode, u64 LE size, bytes. */
const MAX_PATH_BYTES = 4096
const MISSING_MODE = 0xffffffff
const TAIL_BYTES = 12

/** What one answer may hold, however small its files are. */
export const MAX_FILE_RECORDS = 10_000

export function encodeFileHead(path: string, mode: number, size: number): Buffer {
  const pathBytes = Buffer.byteLength(path, 'utf8')
  const head = Buffer.allocUnsafe(4 + pathBytes + TAIL_BYTES)
  head.writeUInt32LE(pathBytes, 0)
  head.write(path, 4, 'utf8')
  head.writeUInt32LE(mode >>> 0, 4 + pathBytes)
  head.writeBigUInt64LE(BigInt(size), 8 + pathBytes)
  return head
}

/** Whether a path can be sent at all: the sandbox decides the rest. */
export function isSendablePath(path: string): boolean {
  return path.length > 0 && !path.includes('\0') && Buffer.byteLength(path, 'utf8') <= MAX_PATH_BYTES
}

export interface FileRecord {
  readonly path: string
  readonly mode: number
  /** Null: there is no such file. */
  readonly content: Buffer | null
}

/** A file whose content is still coming. */
interface OpenFile {
  readonly path: string
  readonly mode: number
  rest: number
  readonly chunks: Buffer[]
}

/** More bytes or files than the reader of the answer wants. */
export class FilesTooLarge extends Error {
  override readonly name = 'FilesTooLarge'
}

/** Cuts the answer of `files-out` into files, keeping at most `limitBytes` of content. */
export class FileRecordReader {
  readonly #limitBytes: number
  readonly #records: FileRecord[] = []
  #contentBytes = 0
  #head: Buffer<ArrayBufferLike> = Buffer.alloc(0)
  #open: OpenFile | undefined

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0)
      rest = this.#open === undefined ? this.#readHead(rest) : this.#readContent(this.#open, rest)
  }

  /** The files, once the stream has ended. */
  finish(): FileRecord[] {
    if (this.#open !== undefined || this.#head.length > 0)
      throw new ProtocolError('files end in the middle of one')
    return this.#records
  }

  /** Gathers one head (bounded by the longest path) and says what of the chunk it did not need. */
  #readHead(chunk: Buffer): Buffer {
    const had = this.#head.length
    const wanted = this.#headBytes(had === 0 ? chunk : Buffer.concat([this.#head, chunk.subarray(0, 4)]))
    if (had + chunk.length < wanted) {
      this.#head = Buffer.concat([this.#head, chunk])
      return chunk.subarray(chunk.length)
    }
    const taken = wanted - had
    const head = had === 0 ? chunk : Buffer.concat([this.#head, chunk.subarray(0, taken)])
    this.#head = Buffer.alloc(0)
    this.#begin(head, wanted)
    return chunk.subarray(taken)
  }

  #headBytes(start: Buffer): number {
    if (start.length < 4) return 4 + 1 + TAIL_BYTES
    const pathBytes = start.readUInt32LE(0)
    if (pathBytes === 0 || pathBytes > MAX_PATH_BYTES)
      throw new ProtocolError(`a file with a path of ${pathBytes} bytes`)
    return 4 + pathBytes + TAIL_BYTES
  }

  #begin(head: Buffer, headBytes: number): void {
    const tail = headBytes - TAIL_BYTES
    const path = head.toString('utf8', 4, tail)
    const mode = head.readUInt32LE(tail)
    const size = head.readBigUInt64LE(tail + 4)
    if (this.#records.length >= MAX_FILE_RECORDS)
      throw new FilesTooLarge(`more than ${MAX_FILE_RECORDS} files`)
    if (mode === MISSING_MODE) {
      if (size !== 0n) throw new ProtocolError('a missing file with content')
      this.#records.push({ path, mode: 0, content: null })
      return
    }
    if (size > BigInt(this.#limitBytes - this.#contentBytes)) {
      throw new FilesTooLarge(`files of more than ${this.#limitBytes} bytes`)
    }
    this.#contentBytes += Number(size)
    this.#open = { path, mode, rest: Number(size), chunks: [] }
    if (size === 0n) this.#close(this.#open)
  }

  #readContent(open: OpenFile, chunk: Buffer): Buffer {
    const part = chunk.subarray(0, open.rest)
    open.chunks.push(part)
    open.rest -= part.length
    if (open.rest === 0) this.#close(open)
    return chunk.subarray(part.length)
  }

  #close(open: OpenFile): void {
    const [only] = open.chunks
    const content = open.chunks.length === 1 && only !== undefined ? only : Buffer.concat(open.chunks)
    this.#records.push({ path: open.path, mode: open.mode & 0o7777, content })
    this.#open = undefined
  }
}
