import { ProtocolError } from './frames.ts'
import { MAX_PATH_BYTES, RECORD_TAIL_BYTES, type RecordHead, RecordHeads } from './record-heads.ts'

const MISSING_MODE = 0xffffffff

/** What one answer may hold, however small its files are. */
export const MAX_FILE_RECORDS = 10_000

export function encodeFileHead(path: string, mode: number, size: number): Buffer {
  const pathBytes = Buffer.byteLength(path, 'utf8')
  const head = Buffer.allocUnsafe(4 + pathBytes + RECORD_TAIL_BYTES)
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
  readonly #heads = new RecordHeads()
  #contentBytes = 0
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
    if (this.#open !== undefined || !this.#heads.empty)
      throw new ProtocolError('files end in the middle of one')
    return this.#records
  }

  #readHead(chunk: Buffer): Buffer {
    const { head, rest } = this.#heads.take(chunk)
    if (head !== undefined) this.#begin(head)
    return rest
  }

  #begin({ path, mode, size }: RecordHead): void {
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
