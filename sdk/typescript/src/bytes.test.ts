import assert from 'node:assert/strict'
import test from 'node:test'
import { bytesOf, fromBase64, textOf, toBase64 } from './bytes.ts'

test('bytes of every value and of more than one piece survive the way there and back', () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256)
  assert.equal(toBase64(bytes), Buffer.from(bytes).toString('base64'))
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes)
})

test('what is carried as text or as base64 is read as either', () => {
  assert.deepEqual(bytesOf({ text: '€' }), new Uint8Array([0xe2, 0x82, 0xac]))
  assert.equal(textOf({ base64: '4oKs' }), '€')
  assert.deepEqual(bytesOf({}), new Uint8Array())
})
