import { type FileHandle, open, rm } from 'node:fs/promises'
import { Utf8Check } from './utf8.ts'

export interface StreamLimits {
  /** Up to here a stream stays in memory. */
  readonly memoryBytes: number
  /** Up to here it is kept at all; what comes after is counted and dropped. */
  readonly keptBytes: number
}

/** Up to `most` bytes from `offset`. */
export type ReadAt = (offset: number, most: number) => Promise<Buffer>

/** Written to disk at once; more waits in memory, and a producer that is further ahead is asked to pause. */
const WRITE_BYTES = 256 * 1024
const PAUSE_ABOVE_BYTES = 1024 * 1024
const SMALL_BYTES = 4096
const LARGEST_TAIL_BYTES = 16 * 1024

/**
 * What one stream of a program has produced: in memory while it is small, then in a file of its own, at any time readable
 * from any place. Never holds more in memory than its limits say plus what is on its way to disk.
 */
export class StreamStore {
  readonly #limits: StreamLimits
  readonly #path: string
  readonly #text = new Utf8Check()
  /** In memory: the bytes from `#memoryFrom` on. */
  #chunks: Buffer[] = []
  #memoryFrom = 0
  /** The last chunk, while it has room for more. */
  #tail: { readonly bytes: Buffer; used: number } | undefined
  #kept = 0
  #produced = 0
  #file: FileHandle | undefined
  #writing: Promise<void> | undefined
  #failed: unknown
  #elsewhere: ReadAt | undefined
  #onRoom: (() => void) | undefined

  constructor(path: string, limits: StreamLimits) {
    this.#path = path
    this.#limits = limits
  }

  get keptBytes(): number {
    return this.#kept
  }

  get producedBytes(): number {
    return this.#produced
  }

  get truncated(): boolean {
    return this.#produced > this.#kept
  }

  get isText(): boolean {
    return this.#text.valid
  }

  /** The path of the file the bytes are in, once `settle` has resolved; undefined while memory holds them all. */
  get path(): string | undefined {
    return this.#file === undefined ? undefined : this.#path
  }

  /** False: it would be well to pause until `onRoom`. */
  append(chunk: Buffer): boolean {
    this.#produced += chunk.length
    const room = this.#failed === undefined ? this.#limits.keptBytes - this.#kept : 0
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk
    if (part.length > 0) {
      this.#text.push(part)
      this.#keep(part)
      this.#kept += part.length
    }
    const waiting = this.#kept - this.#memoryFrom
    if (this.#failed !== undefined) return true
    if (waiting <= this.#limits.memoryBytes && this.#file === undefined) return true
    // With nothing to write it would be over before it could be noted as under way, and `settle` would wait for ever.
    if (this.#chunks.length > 0) this.#writing ??= this.#write()
    return waiting <= this.#limits.memoryBytes + PAUSE_ABOVE_BYTES
  }

  onRoom(listener: () => void): void {
    this.#onRoom = listener
  }

  /**
   * Small chunks are gathered: one alone would hold on to the whole buffer it was received in, and a program that writes
   * byte by byte would cost a hundred times its output.
   */
  #keep(part: Buffer): void {
    if (part.length >= SMALL_BYTES) {
      this.#chunks.push(part)
      this.#tail = undefined
      return
    }
    const tail = this.#tail
    if (tail !== undefined && tail.used + part.length <= tail.bytes.length) {
      part.copy(tail.bytes, tail.used)
      tail.used += part.length
      this.#chunks[this.#chunks.length - 1] = tail.bytes.subarray(0, tail.used)
      return
    }
    const size = Math.max(
      part.length,
      Math.min(LARGEST_TAIL_BYTES, this.#kept * 2, this.#limits.keptBytes - this.#kept),
    )
    const bytes = Buffer.allocUnsafeSlow(size)
    part.copy(bytes)
    this.#tail = { bytes, used: part.length }
    this.#chunks.push(bytes.subarray(0, part.length))
  }

  /** Up to `most` bytes from `offset`; empty when there is nothing there yet. */
  async read(offset: number, most: number): Promise<Buffer> {
    if (offset < this.#memoryFrom) {
      if (this.#elsewhere !== undefined)
        return this.#elsewhere(offset, Math.min(most, this.#memoryFrom - offset))
      const bytes = Buffer.allocUnsafe(Math.min(most, this.#memoryFrom - offset))
      const read = await this.#file?.read(bytes, 0, bytes.length, offset)
      return bytes.subarray(0, read?.bytesRead ?? 0)
    }
    let at = this.#memoryFrom
    for (const chunk of this.#chunks) {
      if (offset < at + chunk.length) return chunk.subarray(offset - at, offset - at + most)
      at += chunk.length
    }
    return Buffer.alloc(0)
  }

  /** Everything, when memory holds it. */
  inMemory(): Buffer | undefined {
    if (this.#file !== undefined || this.#writing !== undefined) return undefined
    return this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
  }

  /** Everything that was appended is where it will stay. */
  async settle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    if (this.#failed !== undefined) throw this.#failed
  }

  /** Lets go of the file and removes it; what is read later comes from `elsewhere`. */
  async close(elsewhere: ReadAt): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
    const file = this.#file
    this.#elsewhere = elsewhere
    this.#file = undefined
    if (file === undefined) return
    await file.close()
    await rm(this.#path, { force: true })
  }

  async #write(): Promise<void> {
    try {
      this.#file ??= await open(this.#path, 'w+', 0o600)
      while (this.#chunks.length > 0) {
        const { count, bytes } = this.#nextWrite()
        for (let at = 0; at < bytes.length; ) {
          at += (await this.#file.write(bytes, at, bytes.length - at, this.#memoryFrom + at)).bytesWritten
        }
        this.#chunks.splice(0, count)
        this.#memoryFrom += bytes.length
        if (this.#kept - this.#memoryFrom <= PAUSE_ABOVE_BYTES / 2) this.#onRoom?.()
      }
    } catch (error) {
      this.#failed = error
      // Nobody may wait for room that will never come; what cannot be kept is told by `settle`.
      this.#onRoom?.()
    } finally {
      this.#writing = undefined
    }
  }

  #nextWrite(): { count: number; bytes: Buffer } {
    let size = 0
    let count = 0
    while (count < this.#chunks.length && size < WRITE_BYTES) {
      size += this.#chunks[count]?.length ?? 0
      count++
    }
    // What is being written must not grow meanwhile.
    if (count === this.#chunks.length) this.#tail = undefined
    return { count, bytes: Buffer.concat(this.#chunks.slice(0, count), size) }
  }
}
