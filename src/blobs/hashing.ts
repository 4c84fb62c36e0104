import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { ClocheError } from '../model/errors.ts'
import type { BlobHash } from '../model/ids.ts'
import { abortable } from '../std/abort.ts'

const READ_BYTES = 256 * 1024

/** The source in its own pieces. A waiting read ends with the signal, and the source is told that nobody reads on. */
export async function* chunksOf(
  source: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    yield source
    return
  }
  const iterator = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      const next = await abortable(iterator.next(), signal)
      if (next.done) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    // Not awaited: a source that hangs, which is why the signal came, would hang here too.
    if (!ended) void iterator.return?.()?.catch(() => {})
  }
}

/** Hashes what passes; `write` gets each piece with the total so far and is waited for. */
export async function digestWhile(
  chunks: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array, total: number) => Promise<void>,
): Promise<{ hash: string; bytes: number }> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.byteLength
    sha256.update(chunk)
    await write(chunk, bytes)
  }
  return { hash: sha256.digest('hex'), bytes }
}

/** The bytes of a file as a stream that closes it; with a hash, fails in place of ending when they do not match it. */
export function verified(file: FileHandle, start: number, end: number, hash: BlobHash | undefined): Readable {
  const stream = Readable.from(read(file, start, end, hash), { objectMode: false })
  // Not in the generator: one that is never started never gets to its `finally`.
  stream.once('close', () => void file.close())
  return stream
}

async function* read(
  file: FileHandle,
  start: number,
  end: number,
  hash: BlobHash | undefined,
): AsyncGenerator<Buffer> {
  const sha256 = hash === undefined ? undefined : createHash('sha256')
  for (let position = start; position < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - position))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) break
    position += bytesRead
    const chunk = buffer.subarray(0, bytesRead)
    sha256?.update(chunk)
    yield chunk
  }
  if (sha256 !== undefined && hash !== undefined && sha256.digest('hex') !== hash) {
    throw new ClocheError('blob_damaged', { hash })
  }
}
