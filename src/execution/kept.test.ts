import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { openBlobFolder } from '../blobs/folder.ts'
import { keep, keepStream, keptBytes, readKept } from './kept.ts'
import { StreamStore } from './stream-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'cloche-kept-'))
after(() => rmSync(folder, { recursive: true }))
const blobs = await openBlobFolder(join(folder, 'blobs'))

test('few bytes are in the record, as text where they are text; many are in a blob', async () => {
  assert.deepEqual(await keep(blobs, Buffer.from('é')), { bytes: 2, text: 'é', encoding: 'utf8' })
  assert.deepEqual(await keep(blobs, Buffer.from([255])), { bytes: 1, text: '/w==', encoding: 'base64' })
  const many = Buffer.alloc(10_000, 7)
  const kept = await keep(blobs, many)
  assert.ok('blob' in kept)
  assert.deepEqual(await keptBytes(blobs, kept), many)
})

test('kept bytes are read from any place to the end', async () => {
  for (const size of [100, 10_000]) {
    const bytes = Buffer.from(Array.from({ length: size }, (_, index) => index % 251))
    const kept = await keep(blobs, bytes)
    for (const start of [0, 1, size - 1, size, size + 5]) {
      const chunks: Buffer[] = []
      for await (const chunk of readKept(blobs, kept, start)) chunks.push(chunk)
      assert.deepEqual(Buffer.concat(chunks), bytes.subarray(start), `${size} from ${start}`)
    }
  }
})

test('a stream goes on record the same from memory and from its file', async () => {
  for (const memoryBytes of [100, 100_000]) {
    const store = new StreamStore(join(folder, `s${memoryBytes}`), { memoryBytes, keptBytes: 50_000 })
    store.append(Buffer.alloc(60_000, 'x'))
    const record = await keepStream(blobs, store)
    assert.deepEqual([record.producedBytes, record.truncated, record.kept.bytes], [60_000, true, 50_000])
    assert.equal((await keptBytes(blobs, record.kept)).toString(), 'x'.repeat(50_000))
    await store.close(async () => Buffer.alloc(0))
  }
})
