import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeFileHead } from './files.ts'
import { ProtocolError } from './frames.ts'
import { type TreePart, TreeReader } from './tree.ts'

const head = (path: string, mode: number, size: number): Buffer => encodeFileHead(path, mode, size)

const TREE = Buffer.concat([
  head('env', 0o040755, 0),
  head('env/ä.py', 0o100644, 5),
  Buffer.from('hello'),
  head('env/empty', 0o600, 0),
  head('env/link', 0o120777, 4),
  Buffer.from('ä.p'),
  head('gone', 0xffffffff, 0),
])

/** Everything the stream says, with the content of a file joined. */
function read(bytes: Buffer, chunkBytes: number): unknown[] {
  const reader = new TreeReader()
  const found: unknown[] = []
  let content = ''
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    for (const part of reader.read(bytes.subarray(at, at + chunkBytes)) as Iterable<TreePart>) {
      if (part.kind !== 'content') found.push(part)
      else content += part.chunk.toString('latin1')
      if (part.kind === 'content' && part.last) {
        found.push(content)
        content = ''
      }
    }
  }
  reader.finish()
  return found
}

test('a tree comes out the same however its bytes were cut', () => {
  const whole = read(TREE, TREE.length)
  assert.deepEqual(whole, [
    { kind: 'folder', path: 'env', mode: 0o755 },
    { kind: 'file', path: 'env/ä.py', mode: 0o644, bytes: 5n },
    'hello',
    { kind: 'file', path: 'env/empty', mode: 0o600, bytes: 0n },
    '',
    { kind: 'link', path: 'env/link', target: 'ä.p' },
    { kind: 'missing', path: 'gone' },
  ])
  for (const size of [1, 2, 3, 7, 19]) assert.deepEqual(read(TREE, size), whole, `chunks of ${size}`)
})

test('devices, folders with content, endless links and empty or endless paths break the protocol', () => {
  const broken = [
    head('dev', 0o020666, 0),
    head('folder', 0o040755, 1),
    head('gone', 0xffffffff, 1),
    head('link', 0o120777, 0),
    head('link', 0o120777, 4097),
    Buffer.alloc(20),
    Buffer.from('ffffffff6161616161616161616161616161616161', 'hex'),
  ]
  for (const bytes of broken) assert.throws(() => read(bytes, bytes.length), ProtocolError)
})

test('a tree that ends within a head or a file breaks the protocol', () => {
  const file = Buffer.concat([head('a', 0o644, 3), Buffer.from('ab')])
  for (const bytes of [file, file.subarray(0, 9)])
    assert.throws(() => read(bytes, bytes.length), ProtocolError)
})
