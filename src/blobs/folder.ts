import { hash as hashOf } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { asClocheError, ClocheError, fail } from '../model/errors.ts'
import { type BlobHash, isBlobHash } from '../model/ids.ts'
import { randomName } from '../std/ids.ts'
import type { Blobs, ByteRange, Collected, GcOptions, Opened, Put, PutOptions } from './blobs.ts'
import { chunksOf, digestWhile, verified } from './hashing.ts'
import { KeyedLock } from './keyed-lock.ts'

const GC_BATCH = 256

/** Opens (or makes) a folder of blobs, and removes what a process that died left half written. One process owns it. */
export async function openBlobFolder(dir: string): Promise<Blobs> {
  const incoming = join(dir, 'incoming')
  await rm(incoming, { recursive: true, force: true })
  await mkdir(incoming, { recursive: true, mode: 0o700 })
  return new BlobFolder(dir, incoming)
}

/**
 * `ab/cd/<hash>` for each blob. One is written beside them under a name of its own and renamed when it is whole, so a
 * name never stands for half a blob.
 */
class BlobFolder implements Blobs {
  readonly #dir: string
  readonly #incoming: string
  /** Folders known to exist. */
  readonly #made = new Set<string>()
  /** A put that finds its blob there and a gc that removes it take turns. */
  readonly #locks = new KeyedLock()

  constructor(dir: string, incoming: string) {
    this.#dir = dir
    this.#incoming = incoming
  }

  async put(source: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<Put> {
    options.signal?.throwIfAborted()
    if (source instanceof Uint8Array) {
      checkLimit(source.byteLength, options)
      const hash = toBlobHash(hashOf('sha256', source, 'hex'))
      // Equal small things are put again and again (empty outputs, the same script): those are not written again.
      if (await this.#locks.run(hash, () => this.#refresh(hash))) {
        if (options.durable) await this.#settle(hash)
        return { hash, bytes: source.byteLength }
      }
    }
    const temporary = join(this.#incoming, randomName(16))
    try {
      const { hash, bytes } = await this.#write(temporary, source, options)
      await this.#locks.run(hash, () => this.#place(temporary, hash, options.durable ?? false))
      return { hash, bytes }
    } catch (error) {
      await rm(temporary, { force: true })
      options.signal?.throwIfAborted()
      throw isSystemError(error) ? asClocheError(error) : error
    }
  }

  async get(hash: BlobHash): Promise<Buffer | undefined> {
    const file = await this.#openFile(hash)
    if (file === undefined) return undefined
    try {
      const bytes = await file.readFile()
      if (hashOf('sha256', bytes, 'hex') !== hash) fail('blob_damaged', { hash })
      return bytes
    } finally {
      await file.close()
    }
  }

  async open(hash: BlobHash, range: ByteRange = {}): Promise<Opened | undefined> {
    const file = await this.#openFile(hash)
    if (file === undefined) return undefined
    const { size: bytes } = await file.stat()
    const start = Math.min(Math.max(0, range.start ?? 0), bytes)
    const end = Math.min(Math.max(start, range.end ?? bytes), bytes)
    const whole = start === 0 && end === bytes
    return { bytes, range: { start, end }, stream: verified(file, start, end, whole ? hash : undefined) }
  }

  async size(hash: BlobHash): Promise<number | undefined> {
    const found = await this.#stat(hash)
    return found?.size
  }

  async has(hash: BlobHash): Promise<boolean> {
    return (await this.#stat(hash)) !== undefined
  }

  delete(hash: BlobHash): Promise<boolean> {
    return this.#locks.run(hash, () =>
      unlink(this.#path(hash)).then(
        () => true,
        (error: unknown) => absent(error, false),
      ),
    )
  }

  async gc({ referenced, graceMs, candidates, signal }: GcOptions): Promise<Collected> {
    const sum = { blobs: 0, bytes: 0 }
    const old: BlobHash[] = []
    const collectOld = async (): Promise<void> => {
      const batch = old.splice(0)
      const needed = batch.length === 0 ? new Set<BlobHash>() : await referenced(batch)
      for (const hash of batch) {
        if (needed.has(hash)) continue
        const bytes = await this.#removeIfOld(hash, graceMs)
        if (bytes === undefined) continue
        sum.blobs++
        sum.bytes += bytes
      }
    }
    for await (const hash of candidates ?? this.#all()) {
      signal?.throwIfAborted()
      if (isOlder(await this.#stat(hash), graceMs)) old.push(hash)
      if (old.length >= GC_BATCH) await collectOld()
    }
    await collectOld()
    return sum
  }

  async #write(
    path: string,
    source: Uint8Array | AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<Put> {
    const file = await open(path, 'wx', 0o600)
    try {
      const digest = digestWhile(chunksOf(source, options.signal), async (chunk, total) => {
        checkLimit(total, options)
        await writeAll(file, chunk)
      })
      const { hash, bytes } = await digest
      if (options.durable) await file.datasync()
      return { hash: toBlobHash(hash), bytes }
    } finally {
      await file.close()
    }
  }

  async #place(temporary: string, hash: BlobHash, durable: boolean): Promise<void> {
    const path = this.#path(hash)
    await this.#makeFolder(dirname(path), durable)
    await rename(temporary, path)
    if (durable) await syncFolder(dirname(path))
  }

  /** Makes a blob that is there young again, so that gc leaves it for the new record. False if there is none. */
  async #refresh(hash: BlobHash): Promise<boolean> {
    const now = new Date()
    return utimes(this.#path(hash), now, now).then(
      () => true,
      (error: unknown) => absent(error, false),
    )
  }

  /** The first put of these bytes may not have been a durable one. */
  async #settle(hash: BlobHash): Promise<void> {
    const path = this.#path(hash)
    const file = await open(path, 'r')
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
    await syncFolder(dirname(path))
    await syncFolder(dirname(dirname(path)))
    await syncFolder(this.#dir)
  }

  async #makeFolder(folder: string, durable: boolean): Promise<void> {
    if (this.#made.has(folder)) return
    await mkdir(folder, { recursive: true, mode: 0o700 })
    if (!durable) return
    await syncFolder(dirname(folder))
    await syncFolder(this.#dir)
    // Remembered only once on disk: 65,536 short names at most.
    this.#made.add(folder)
  }

  /** Undefined if it stays: it was put again, or is gone already. */
  #removeIfOld(hash: BlobHash, graceMs: number): Promise<number | undefined> {
    return this.#locks.run(hash, async () => {
      const found = await this.#stat(hash)
      if (found === undefined || !isOlder(found, graceMs)) return undefined
      await unlink(this.#path(hash))
      return found.size
    })
  }

  async *#all(): AsyncGenerator<BlobHash> {
    for (const first of await readdir(this.#dir)) {
      if (first.length !== 2) continue
      for (const second of await readdir(join(this.#dir, first))) {
        for (const name of await readdir(join(this.#dir, first, second))) if (isBlobHash(name)) yield name
      }
    }
  }

  #stat(hash: BlobHash): Promise<{ size: number; mtimeMs: number } | undefined> {
    return stat(this.#path(hash)).catch((error: unknown) => absent(error, undefined))
  }

  #openFile(hash: BlobHash): Promise<FileHandle | undefined> {
    return open(this.#path(hash), 'r').catch((error: unknown) => absent(error, undefined))
  }

  #path(hash: BlobHash): string {
    // The type says so already; a path is never made from anything else, whatever a record may hold.
    if (!isBlobHash(hash)) throw new TypeError('not a blob hash')
    return join(this.#dir, hash.slice(0, 2), hash.slice(2, 4), hash)
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    written += (await file.write(chunk, written)).bytesWritten
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function checkLimit(bytes: number, { limitBytes, what = 'The content' }: PutOptions): void {
  if (limitBytes !== undefined && bytes > limitBytes) fail('payload_too_large', { what, limitBytes })
}

/** By the real clock, whatever the caller's says: the times are the file system's. */
function isOlder(found: { readonly mtimeMs: number } | undefined, graceMs: number): boolean {
  return found !== undefined && Date.now() - found.mtimeMs > graceMs
}

function toBlobHash(hex: string): BlobHash {
  if (!isBlobHash(hex)) throw new TypeError('not a sha256')
  return hex
}

function absent<T>(error: unknown, value: T): T {
  if (isSystemError(error) && error.code === 'ENOENT') return value
  throw error
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return !(error instanceof ClocheError) && error instanceof Error && 'code' in error && 'syscall' in error
}
