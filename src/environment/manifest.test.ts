import assert from 'node:assert/strict'
import test from 'node:test'
import type { TreePart } from '../sandbox/driver.ts'
import { InstalledWatch, manifestFrom } from './manifest.ts'

const LOCK = 'env/node/node_modules/.package-lock.json'

function installed(lock: string, folders: readonly string[] = []): ReturnType<InstalledWatch['installed']> {
  const watch = new InstalledWatch('env')
  const parts: TreePart[] = [
    ...folders.map((path): TreePart => ({ kind: 'folder', path, mode: 0o755 })),
    { kind: 'file', path: LOCK, mode: 0o644, bytes: BigInt(lock.length) },
    { kind: 'content', chunk: Buffer.from(lock.slice(0, 3)), last: false },
    { kind: 'content', chunk: Buffer.from(lock.slice(3)), last: true },
    { kind: 'file', path: 'env/other', mode: 0o644, bytes: 1n },
    { kind: 'content', chunk: Buffer.from('?'), last: true },
  ]
  for (const part of parts) watch.see(part)
  return watch.installed()
}

test('the versions that were installed are read off the tree as it goes by', () => {
  const lock = {
    packages: {
      'node_modules/b': { version: '2.0.0' },
      'node_modules/@s/a': { version: '1.0.0-rc.1' },
      'node_modules/b/node_modules/c': { version: '3.0.0' },
      'node_modules/linked': { link: true },
      elsewhere: { version: '1.0.0' },
    },
  }
  const folders = [
    'env/python/zed-1.0.dist-info',
    'env/python/abc_d-2.0.post1.dist-info',
    'env/python/x/y-1.dist-info',
  ]
  assert.deepEqual(installed(JSON.stringify(lock), folders), {
    python: [
      { name: 'abc_d', version: '2.0.post1' },
      { name: 'zed', version: '1.0' },
    ],
    node: [
      { name: '@s/a', version: '1.0.0-rc.1' },
      { name: 'b', version: '2.0.0' },
      { name: 'c', version: '3.0.0' },
    ],
  })
})

test('a list that a package forged is empty or without what is no version, never a failure', () => {
  for (const lock of [
    '',
    'null',
    '[]',
    '{"packages":1}',
    '{"packages":{"node_modules/a":null}}',
    `{"a":"${'x'.repeat(9 << 20)}"}`,
  ])
    assert.deepEqual(installed(lock).node, [], lock.slice(0, 40))
  const forged = {
    packages: { 'node_modules/a': { version: '1\u001b[2J' }, 'node_modules/<b>': { version: '1' } },
  }
  assert.deepEqual(installed(JSON.stringify(forged)).node, [])
})

test('a manifest that is not one of this format is none', () => {
  assert.equal(manifestFrom(''), undefined)
  assert.equal(manifestFrom('{"format":2}'), undefined)
  assert.equal(manifestFrom('{"format":1}')?.format, 1)
})
