import assert from 'node:assert/strict'
import test from 'node:test'
import { jsonString } from './answer.ts'

async function written(chunks: Buffer[], encoding: 'utf8' | 'base64'): Promise<unknown> {
  let text = ''
  for await (const part of jsonString(toAsync(chunks), encoding)) text += part
  return JSON.parse(text)
}

async function* toAsync(chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks
}

test('bytes in pieces become one JSON string, whatever the pieces cut through', async () => {
  const text = 'aé€🌱"\\\n\u0001\u2028z'
  const bytes = Buffer.from(text)
  for (let size = 1; size <= bytes.length; size++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    assert.equal(await written(chunks, 'utf8'), text, `pieces of ${size}`)
    assert.equal(await written(chunks, 'base64'), bytes.toString('base64'), `pieces of ${size}`)
  }
  assert.equal(await written([], 'utf8'), '')
})
