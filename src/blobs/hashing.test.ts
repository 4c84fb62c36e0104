import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { chunksOf, digestWhile, verified } from './hashing.ts'

test('the digest is of exactly what was written, in order', async () => {
  const written: string[] = []
  const source = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from('he')
    yield Buffer.from('llo')
  }
  const result = await digestWhile(source(), async (chunk, total) => {
    written.push(`${Buffer.from(chunk)}@${total}`)
  })
  assert.deepEqual(written, ['he@2', 'llo@5'])
  assert.deepEqual(result, {
    hash: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    bytes: 5,
  })
})

test('a source whose reading is given up is told so', async () => {
  let told = false
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<Buffer>>(() => {}),
      return: async () => {
        told = true
        return { done: true as const, value: undefined }
      },
    }),
  }
  const abort = new AbortController()
  const reading = chunksOf(source, abort.signal).next()
  abort.abort(new Error('enough'))
  await assert.rejects(reading, /enough/)
  assert.equal(told, true)
})

test('the file is closed when its stream is given up before the first read', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cloche-hashing-'))
  t.after(() => rm(dir, { recursive: true }))
  await writeFile(join(dir, 'x'), 'bytes')
  const file = await open(join(dir, 'x'), 'r')
  await once(verified(file, 0, 5, undefined).destroy(), 'close')
  assert.equal(file.fd, -1)
})
