import { createReadStream } from 'node:fs'
import type { Blobs } from '../blobs/blobs.ts'
import { fail } from '../model/errors.ts'
import type { Kept, StreamRecord } from '../model/execution.ts'
import { OUTPUT_LIMITS } from '../model/limits.ts'
import type { StreamStore } from './stream-store.ts'
import { Utf8Check } from './utf8.ts'

/** Few bytes go into the record, more into a blob. */
export async function keep(blobs: Blobs, bytes: Buffer, durable = false): Promise<Kept> {
  if (bytes.length <= OUTPUT_LIMITS.inlineBytes) return inline(bytes, isText(bytes))
  return toBlob(blobs, bytes, durable)
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

async function toBlob(
  blobs: Blobs,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  durable = false,
): Promise<Kept> {
  const { hash, bytes } = await blobs.put(content, { durable })
  return { bytes, blob: hash }
}

/** A stream that has ended, as it goes on record. */
export async function keepStream(blobs: Blobs, store: StreamStore): Promise<StreamRecord> {
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
export async function* readKept(blobs: Blobs, kept: Kept, start = 0): AsyncGenerator<Buffer, void, void> {
  if ('blob' in kept) {
    if (start >= kept.bytes) return
    const opened = await blobs.open(kept.blob, start === 0 ? undefined : { start })
    if (opened === undefined) fail('blob_damaged', { hash: kept.blob })
    yield* opened.stream
    return
  }
  const bytes = Buffer.from(kept.text, kept.encoding).subarray(start)
  if (bytes.length > 0) yield bytes
}

/** All of them; for what is known to fit in memory. */
export async function keptBytes(blobs: Blobs, kept: Kept): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of readKept(blobs, kept)) chunks.push(chunk)
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)
}

/** Up to `most` bytes from `offset`; none where nothing is kept. */
export async function readKeptAt(
  blobs: Blobs,
  kept: Kept | undefined,
  offset: number,
  most: number,
): Promise<Buffer> {
  if (kept === undefined) return Buffer.alloc(0)
  if ('text' in kept) return Buffer.from(kept.text, kept.encoding).subarray(offset, offset + most)
  const opened = await blobs.open(kept.blob, { start: offset, end: offset + most })
  if (opened === undefined) return Buffer.alloc(0)
  const chunks: Buffer[] = []
  for await (const chunk of opened.stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
