import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { StreamStore } from './stream-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'cloche-stream-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0
const make = (memoryBytes: number, keptBytes: number): StreamStore =>
  new StreamStore(join(folder, String(files++)), { memoryBytes, keptBytes })

const nowhere = async (): Promise<Buffer> => Buffer.alloc(0)

async function everything(store: StreamStore): Promise<string> {
  let text = ''
  for (;;) {
    const bytes = await store.read(text.length, 7)
    if (bytes.length === 0) return text
    text += bytes.toString('latin1')
  }
}

test('a small stream stays in memory and is readable from any place', async () => {
  const store = make(100, 1000)
  store.append(Buffer.from('hello '))
  store.append(Buffer.from('world'))
  assert.equal(store.inMemory()?.toString(), 'hello world')
  assert.equal((await store.read(3, 5)).toString(), 'lo ')
  assert.equal(await everything(store), 'hello world')
  assert.equal(store.path, undefined)
  assert.equal(store.truncated, false)
})

test('a large stream moves to a file, in order, and is removed with it', async () => {
  const store = make(10, 1_000_000)
  let expected = ''
  for (let index = 0; index < 500; index++) {
    const text = `line ${index}\n`
    expected += text
    store.append(Buffer.from(text))
    if (index % 100 === 0) assert.equal((await everything(store)).slice(0, expected.length), expected)
  }
  await store.settle()
  assert.equal(await everything(store), expected)
  const path = store.path
  assert.ok(path !== undefined && existsSync(path))
  await store.close(nowhere)
  assert.equal(existsSync(path), false)
})

test('who still reads when the file is gone reads from where the bytes are kept', async () => {
  const store = make(10, 1000)
  store.append(Buffer.from('0123456789abcdef'.repeat(10)))
  await store.settle()
  assert.ok(store.path !== undefined)
  await store.close(async (offset, most) => Buffer.from(`${offset}+${most}`))
  assert.equal((await store.read(32, 5)).toString(), '32+5')
})

test('what is beyond the cap is counted, dropped and told', async () => {
  const store = make(100, 10)
  store.append(Buffer.from('0123456'))
  store.append(Buffer.from('789abc'))
  store.append(Buffer.from('def'))
  assert.equal(await everything(store), '0123456789')
  assert.deepEqual([store.producedBytes, store.keptBytes, store.truncated], [16, 10, true])
})

test('a producer that is ahead of the disk is told to pause, and when to go on', async () => {
  const store = make(1000, 64 << 20)
  let ahead = false
  for (let index = 0; index < 40 && !ahead; index++) ahead = !store.append(Buffer.alloc(100_000, 120))
  assert.equal(ahead, true)
  await new Promise<void>((resolve) => store.onRoom(resolve))
  await store.settle()
  await store.close(nowhere)
})

test('a disk that cannot be written is an error, not a hang', async () => {
  const store = new StreamStore(join(folder, 'missing', 'x'), { memoryBytes: 1, keptBytes: 100 })
  store.append(Buffer.from('abc'))
  await assert.rejects(store.settle(), { code: 'ENOENT' })
  await store.close(nowhere)
})

test('a stream that goes on past its cap after all of it was written still settles', async () => {
  const store = make(10, 100)
  store.append(Buffer.alloc(100, 'x'))
  await store.settle()
  for (let more = 0; more < 3; more++) store.append(Buffer.alloc(50, 'y'))
  await store.settle()
  assert.equal(await everything(store), 'x'.repeat(100))
  assert.equal(store.truncated, true)
  await store.close(nowhere)
})
