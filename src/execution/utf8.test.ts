import assert from 'node:assert/strict'
import test from 'node:test'
import { openBytes, Utf8Check } from './utf8.ts'

test('text is recognised however its bytes are cut, and bytes that are no text are not', () => {
  const text = Buffer.from('aé€🌱z')
  for (let size = 1; size <= text.length; size++) {
    const check = new Utf8Check()
    for (let at = 0; at < text.length; at += size) check.push(text.subarray(at, at + size))
    assert.equal(check.valid, true, `pieces of ${size}`)
  }
  for (const wrong of [
    [0xff],
    [0xc3],
    [0x80],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xf5, 0x80, 0x80, 0x80],
  ]) {
    const check = new Utf8Check()
    for (const byte of wrong) check.push(Buffer.from([byte]))
    assert.equal(check.valid, false, `${wrong}`)
  }
})

test('the open end of a text is at most a character', () => {
  assert.equal(openBytes(Buffer.from('abc')), 0)
  assert.equal(openBytes(Buffer.from([0x61, 0xe2, 0x82])), 2)
  assert.equal(openBytes(Buffer.from([0xf0, 0x9f, 0x8c])), 3)
  assert.equal(openBytes(Buffer.from([0x80, 0x80, 0x80, 0x80])), 0)
})
