/*
 * blobs: bytes of any size under the sha256 of their content.
 *
 * Guarantees: a blob is whole or absent, whenever the process dies; equal bytes are kept once; what is read is what was
 * put, or `blob_damaged`; gc never takes a blob that was put (again) within its grace time. Does not do: knowing who
 * needs a blob (the store's records do), tenants (a hash is only ever reached through a tenant's record).
 */
import type { Readable } from 'node:stream'
import type { BlobHash } from '../model/ids.ts'

export interface Put {
  readonly hash: BlobHash
  readonly bytes: number
}

export interface PutOptions {
  /** `payload_too_large` beyond it, and nothing is kept. */
  readonly limitBytes?: number
  /** Names what is limited in the error: "The file a.bin". */
  readonly what?: string
  /** Resolves only when it would survive a power cut. Otherwise it survives the process. */
  readonly durable?: boolean
  readonly signal?: AbortSignal
}

/** Bytes from `start` up to but not including `end`; both default to the ends of the blob and are clamped to it. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

export interface Opened {
  /** Of the whole blob. */
  readonly bytes: number
  readonly range: { readonly start: number; readonly end: number }
  /** A whole blob is checked as it flows and fails with `blob_damaged` before it ends; a part cannot be. */
  readonly stream: Readable
}

export interface GcOptions {
  /** Of these blobs, the ones that are needed: asked after they were found old enough, a few hundred at a time. */
  readonly referenced: (hashes: readonly BlobHash[]) => Promise<ReadonlySet<BlobHash>>
  /** Blobs put within it stay: it must cover the time from a put to the record that refers to it. */
  readonly graceMs: number
  /** Looks only at these instead of at all. */
  readonly candidates?: readonly BlobHash[]
  readonly signal?: AbortSignal
}

export interface Collected {
  readonly blobs: number
  readonly bytes: number
}

/** Whatever keeps blobs: a folder here, an object store elsewhere. */
export interface Blobs {
  put(source: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<Put>
  /** All of it, checked; undefined if there is none. For blobs that are known to be small. */
  get(hash: BlobHash): Promise<Buffer | undefined>
  open(hash: BlobHash, range?: ByteRange): Promise<Opened | undefined>
  /** Its size, or undefined if there is none. */
  size(hash: BlobHash): Promise<number | undefined>
  has(hash: BlobHash): Promise<boolean>
  /** Whether there was one. Regardless of grace: only for bytes that nobody else can have put. */
  delete(hash: BlobHash): Promise<boolean>
  gc(options: GcOptions): Promise<Collected>
}
