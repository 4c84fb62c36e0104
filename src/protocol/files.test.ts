import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeFileHead, FileRecordReader, FilesTooLarge, isSendablePath, MAX_FILE_RECORDS } from './files.ts'
import { ProtocolError } from './frames.ts'

function encode(path: string, mode: number, content: Buffer): Buffer {
  return Buffer.concat([encodeFileHead(path, mode, content.length), content])
}

test('files come out the same however the stream is cut', () => {
  const files = [
    { path: 'a', mode: 0o644, content: Buffer.from('one') },
    { path: 'dir/ü.bin', mode: 0o755, content: Buffer.alloc(5000, 7) },
    { path: 'empty', mode: 0o600, content: Buffer.alloc(0) },
    { path: `long/${'x'.repeat(3000)}`, mode: 0o644, content: Buffer.from('z') },
  ]
  const bytes = Buffer.concat([
    ...files.map((file) => encode(file.path, file.mode, file.content)),
    encodeFileHead('gone', 0xffffffff, 0),
  ])
  for (const step of [1, 2, 3, 5, 7, 16, 17, 18, 1000, bytes.length]) {
    const reader = new FileRecordReader(10_000)
    for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step))
    assert.deepEqual(
      reader.finish(),
      [...files, { path: 'gone', mode: 0, content: null }],
      `cut every ${step}`,
    )
  }
})

test('the limit holds for all files together and is checked on the claim, before the bytes come', () => {
  const reader = new FileRecordReader(10)
  reader.push(encode('a', 0o644, Buffer.alloc(6)))
  assert.throws(() => reader.push(encodeFileHead('b', 0o644, 5)), FilesTooLarge)
  assert.throws(
    () => new FileRecordReader(10).push(encodeFileHead('b', 0o644, Number.MAX_SAFE_INTEGER)),
    FilesTooLarge,
  )
})

test('endless empty files are cut off', () => {
  const reader = new FileRecordReader(10)
  const record = encodeFileHead('a', 0o644, 0)
  assert.throws(() => {
    for (let i = 0; i <= MAX_FILE_RECORDS; i++) reader.push(record)
  }, FilesTooLarge)
})

test('an answer that is cut short, without a path or with an endless path is a protocol error', () => {
  const short = new FileRecordReader(100)
  short.push(encodeFileHead('a', 0o644, 5))
  assert.throws(() => short.finish(), ProtocolError)
  const head = new FileRecordReader(100)
  head.push(Buffer.from([1, 0]))
  assert.throws(() => head.finish(), ProtocolError)
  assert.throws(() => new FileRecordReader(100).push(Buffer.alloc(32)), ProtocolError)
  assert.throws(() => new FileRecordReader(100).push(Buffer.alloc(32, 0xff)), ProtocolError)
})

test('modes carry permission bits only', () => {
  const reader = new FileRecordReader(10)
  reader.push(encodeFileHead('a', 0o100644, 0))
  assert.equal(reader.finish()[0]?.mode, 0o644)
})

test('paths that cannot be written down are told before they are sent', () => {
  assert.ok(isSendablePath('a/b'))
  assert.ok(!isSendablePath(''))
  assert.ok(!isSendablePath('a\0b'))
  assert.ok(!isSendablePath('x'.repeat(4097)))
})
