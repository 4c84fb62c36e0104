import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { appendFile, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import test, { type TestContext } from 'node:test'
import { isClocheError } from '../model/errors.ts'
import type { BlobHash } from '../model/ids.ts'
import type { Blobs, Opened } from './blobs.ts'
import { openBlobFolder } from './folder.ts'

const HOUR_MS = 3_600_000
const nothingNeeded = async (): Promise<Set<BlobHash>> => new Set()

async function folder(t: TestContext): Promise<{ dir: string; blobs: Blobs }> {
  const dir = await mkdtemp(join(tmpdir(), 'cloche-blobs-'))
  t.after(() => rm(dir, { recursive: true }))
  return { dir, blobs: await openBlobFolder(dir) }
}

const read = (opened: Opened | undefined): Promise<Buffer> => buffer(opened?.stream ?? Readable.from([]))
const pathOf = (dir: string, hash: BlobHash): string => join(dir, hash.slice(0, 2), hash.slice(2, 4), hash)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function age(dir: string, hash: BlobHash, ms: number): Promise<void> {
  const then = new Date(Date.now() - ms)
  await utimes(pathOf(dir, hash), then, then)
}

test('what is put comes back under its sha256, whether given whole or as a stream', async (t) => {
  const { blobs } = await folder(t)
  for (const size of [0, 1, 300_000, 3_000_000]) {
    const bytes = randomBytes(size)
    const put = await blobs.put(bytes, { durable: size % 2 === 0 })
    assert.deepEqual(put, { hash: sha256(bytes), bytes: size })
    const streamed = await blobs.put(
      Readable.from([bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)]),
      { durable: true },
    )
    assert.deepEqual(streamed, put)
    assert.deepEqual(await blobs.get(put.hash), bytes)
    assert.equal(await blobs.size(put.hash), size)
    const opened = await blobs.open(put.hash)
    assert.deepEqual(await read(opened), bytes)
  }
})

test('equal bytes are kept once, also when they are put many times at once', async (t) => {
  const { dir, blobs } = await folder(t)
  const bytes = randomBytes(50_000)
  const puts = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      blobs.put(i % 2 ? bytes : Readable.from([bytes]), { durable: i % 3 === 0 }),
    ),
  )
  const { hash } = await blobs.put(bytes)
  assert.ok(puts.every((put) => put.hash === hash))
  assert.deepEqual(await readdir(join(dir, hash.slice(0, 2), hash.slice(2, 4))), [hash])
  assert.deepEqual(await readdir(join(dir, 'incoming')), [])
})

test('a part is served by range, clamped to the blob', async (t) => {
  const { blobs } = await folder(t)
  const bytes = randomBytes(700_000)
  const { hash } = await blobs.put(bytes)
  for (const [start, end] of [
    [0, 10],
    [5, 600_000],
    [699_999, 900_000],
    [800_000, 900_000],
    [10, 3],
  ] as const) {
    const opened = await blobs.open(hash, { start, end })
    assert.equal(opened?.bytes, 700_000)
    const expected = bytes.subarray(Math.min(start, 700_000), Math.max(Math.min(start, 700_000), end))
    assert.deepEqual(await read(opened), Buffer.from(expected))
  }
  const tail = await blobs.open(hash, { start: 699_990 })
  assert.deepEqual(tail?.range, { start: 699_990, end: 700_000 })
  tail?.stream.destroy()
})

test('a source beyond the limit is refused and leaves nothing', async (t) => {
  const { dir, blobs } = await folder(t)
  const tooLarge = { code: 'payload_too_large', detail: 'The file a may have 1000 B at most.' }
  const options = { limitBytes: 1000, what: 'The file a' }
  await assert.rejects(blobs.put(Buffer.alloc(1001), options), tooLarge)
  await assert.rejects(blobs.put(Readable.from([Buffer.alloc(600), Buffer.alloc(600)]), options), tooLarge)
  assert.equal((await blobs.put(Buffer.alloc(1000), options)).bytes, 1000)
  assert.deepEqual(await readdir(join(dir, 'incoming')), [])
})

test('a source that fails or hangs leaves nothing, and the signal ends the waiting', async (t) => {
  const { dir, blobs } = await folder(t)
  const failing = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10)
    throw new Error('connection reset')
  }
  await assert.rejects(blobs.put(failing()), /connection reset/)

  const hanging = new Readable({ read: () => {} })
  hanging.push(Buffer.alloc(10))
  const abort = new AbortController()
  const put = blobs.put(hanging, { signal: abort.signal })
  setImmediate(() => abort.abort(new Error('gone')))
  await assert.rejects(put, /gone/)
  assert.deepEqual(await readdir(join(dir, 'incoming')), [])
})

test('damaged bytes are an error, never data', async (t) => {
  const { dir, blobs } = await folder(t)
  const { hash } = await blobs.put(Buffer.from('as it was'))
  await appendFile(pathOf(dir, hash), '!')
  const damaged = (error: unknown): boolean => isClocheError(error, 'blob_damaged')
  await assert.rejects(blobs.get(hash), damaged)
  const opened = await blobs.open(hash)
  await assert.rejects(read(opened), damaged)
})

test('what is not there is undefined or false', async (t) => {
  const { blobs } = await folder(t)
  const { hash } = await blobs.put(Buffer.from('x'))
  assert.equal(await blobs.delete(hash), true)
  assert.equal(await blobs.delete(hash), false)
  assert.equal(await blobs.get(hash), undefined)
  assert.equal(await blobs.open(hash), undefined)
  assert.equal(await blobs.has(hash), false)
  await assert.rejects(blobs.get('../../etc/passwd' as BlobHash), TypeError)
})

test('gc removes what is old and not needed, and nothing else', async (t) => {
  const { dir, blobs } = await folder(t)
  const [needed, unneeded, young] = await Promise.all(
    ['needed', 'unneeded', 'young'].map((text) => blobs.put(Buffer.from(text))),
  )
  assert.ok(needed && unneeded && young)
  await age(dir, needed.hash, 2 * HOUR_MS)
  await age(dir, unneeded.hash, 2 * HOUR_MS)
  const collected = await blobs.gc({ referenced: async () => new Set([needed.hash]), graceMs: HOUR_MS })
  assert.deepEqual(collected, { blobs: 1, bytes: 8 })
  assert.equal(await blobs.has(needed.hash), true)
  assert.equal(await blobs.has(unneeded.hash), false)
  assert.equal(await blobs.has(young.hash), true)
  assert.deepEqual(
    await blobs.gc({ referenced: nothingNeeded, graceMs: HOUR_MS, candidates: [young.hash] }),
    { blobs: 0, bytes: 0 },
  )
})

test('a blob that is put again while gc is deciding stays', async (t) => {
  const { dir, blobs } = await folder(t)
  for (const again of [Buffer.from('same'), () => Readable.from([Buffer.from('same')])]) {
    const { hash } = await blobs.put(Buffer.from('same'))
    await age(dir, hash, 2 * HOUR_MS)
    const referenced = async (): Promise<Set<BlobHash>> => {
      await blobs.put(typeof again === 'function' ? again() : again)
      return new Set()
    }
    assert.deepEqual(await blobs.gc({ referenced, graceMs: HOUR_MS }), { blobs: 0, bytes: 0 })
    assert.equal(await blobs.has(hash), true)
  }
})

test('opening removes what a dead process left half written, and keeps every blob', async (t) => {
  const { dir, blobs } = await folder(t)
  const { hash } = await blobs.put(Buffer.from('whole'))
  await writeFile(join(dir, 'incoming', 'left-behind'), 'hal')
  const reopened = await openBlobFolder(dir)
  assert.deepEqual(await readdir(join(dir, 'incoming')), [])
  assert.equal((await reopened.get(hash))?.toString(), 'whole')
})

test('blobs are readable for their owner only', async (t) => {
  const { dir, blobs } = await folder(t)
  const { hash } = await blobs.put(Buffer.from('secret'))
  assert.equal((await stat(pathOf(dir, hash))).mode & 0o777, 0o600)
  assert.equal((await stat(join(dir, hash.slice(0, 2)))).mode & 0o777, 0o700)
})
