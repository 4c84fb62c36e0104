import { createReadStream } from 'node:fs'
import type { Kept, StreamRecord } from '../model/execution.ts'
import type { BlobHash } from '../model/ids.ts'
import { OUTPUT_LIMITS } from '../model/limits.ts'
import type { StreamStore } from './stream-store.ts'
import { Utf8Check } from './utf8.ts'

/** What this module needs of the blobs. */
export interface BlobStore {
  put(
    content: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ readonly hash: BlobHash; readonly bytes: number }>
  /** From `start` to the end. Fails with `blob_damaged` or ENOENT. */
  read(hash: BlobHash, start?: number): AsyncIterable<Buffer>
}

/** Few bytes go into the record, more into a blob. */
export async function keep(blobs: BlobStore, bytes: Buffer): Promise<Kept> {
  return bytes.length <= OUTPUT_LIMITS.inlineBytes ? inline(bytes, isText(bytes)) : toBlob(blobs, bytes)
}

function isText(bytes: Buffer): boolean {
  const check = new Utf8Check()
  check.push(bytes)
  return check.valid
}

function inline(bytes: Buffer, text: boolean): Kept {
  const encoding = text ? 'utf8' : 'base64'
  return { bytes: bytes.length, text: bytes.toString(encoding), encoding }
}

async function toBlob(blobs: BlobStore, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Kept> {
  const { hash, bytes } = await blobs.put(content)
  return { bytes, blob: hash }
}

/** A stream that has ended, as it goes on record. */
export async function keepStream(blobs: BlobStore, store: StreamStore): Promise<StreamRecord> {
  await store.settle()
  const { producedBytes, truncated, path } = store
  const memory = store.inMemory()
  if (memory !== undefined && memory.length <= OUTPUT_LIMITS.inlineBytes) {
    return { producedBytes, truncated, kept: inline(memory, store.isText) }
  }
  const content = memory ?? (path === undefined ? Buffer.alloc(0) : createReadStream(path))
  return { producedBytes, truncated, kept: await toBlob(blobs, content) }
}

/** The bytes from `start` on, wherever they are. */
export async function* readKept(blobs: BlobStore, kept: Kept, start = 0): AsyncGenerator<Buffer, void, void> {
  if ('blob' in kept) {
    if (start < kept.bytes) yield* blobs.read(kept.blob, start)
    return
  }
  const bytes = Buffer.from(kept.text, kept.encoding).subarray(start)
  if (bytes.length > 0) yield bytes
}
