import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { TreePart } from '../sandbox/driver.ts'
import { LayerRefused, LayerWriter } from './layer-writer.ts'

const folderPart = (path: string): TreePart => ({ kind: 'folder', path, mode: 0o777 })
const linkPart = (path: string, target: string): TreePart => ({ kind: 'link', path, target })
const file = (path: string, text = 'x', mode = 0o644): TreePart[] => [
  { kind: 'file', path, mode, bytes: BigInt(text.length) },
  { kind: 'content', chunk: Buffer.from(text), last: true },
]

interface Written {
  readonly folder: string
  readonly writer: LayerWriter
}

async function write(t: TestContext, parts: readonly TreePart[], limits = {}): Promise<Written> {
  const outside = await mkdtemp(join(tmpdir(), 'cloche-layer-'))
  t.after(() => rm(outside, { recursive: true }))
  const folder = await mkdtemp(join(outside, 'layer-'))
  const writer = new LayerWriter(folder, 'env', { bytes: 1 << 20, entries: 100, ...limits })
  try {
    for (const part of [folderPart('env'), ...parts]) await writer.take(part)
  } catch (error) {
    // Whatever was refused, nothing was written beside the layer.
    assert.deepEqual(await readdir(outside), [folder.slice(outside.length + 1)])
    throw error
  } finally {
    await writer.close()
  }
  return { folder, writer }
}

test('folders, files and inner links come out with our modes, whatever mode they had', async (t) => {
  const { folder, writer } = await write(t, [
    folderPart('env/a'),
    ...file('env/a/run', '#!/bin/sh', 0o6711),
    ...file('env/a/text', 'hello', 0o666),
    folderPart('env/bin'),
    linkPart('env/bin/run', '../a/run'),
  ])
  const modes = await Promise.all(['a', 'a/run', 'a/text'].map((path) => stat(join(folder, path))))
  assert.deepEqual(
    modes.map(({ mode }) => (mode & 0o7777).toString(8)),
    ['755', '755', '644'],
  )
  assert.equal(await readFile(join(folder, 'a/text'), 'utf8'), 'hello')
  assert.equal(await readlink(join(folder, 'bin/run')), '../a/run')
  assert.deepEqual([writer.entries, writer.bytes], [5, 14])
})

test('a path that leads out, nowhere or over something is refused', async (t) => {
  const cases: Record<string, TreePart[]> = {
    dots: file('env/../out'),
    'inner dots': [folderPart('env/a'), ...file('env/a/../../out')],
    absolute: file('/etc/out'),
    'another root': file('other/out'),
    'the root as a file': file('env'),
    'an empty name': file('env//a'),
    'a dot': file('env/./a'),
    'a nul': file('env/a\0b'),
    'no UTF-8': file('env/a\ufffd'),
    'no parent': file('env/a/b'),
    'a parent that is a file': [...file('env/a'), ...file('env/a/b')],
    'a parent that is a link': [folderPart('env/a'), linkPart('env/l', 'a'), ...file('env/l/b')],
    'a folder below a link': [folderPart('env/a'), linkPart('env/l', 'a'), folderPart('env/l/b')],
    'a file twice': [...file('env/a'), ...file('env/a')],
    'a file over a link': [linkPart('env/a', 'b'), ...file('env/a')],
    'a link over a file': [...file('env/a'), linkPart('env/a', 'b')],
    'a folder over a link': [linkPart('env/a', 'b'), folderPart('env/a')],
    'a second root': [folderPart('env')],
    'too long a name': file(`env/${'n'.repeat(256)}`),
    'what could not be read': [{ kind: 'missing', path: 'env/a' }],
  }
  for (const [name, parts] of Object.entries(cases)) await assert.rejects(write(t, parts), LayerRefused, name)
})

test('a link that could lead out by any chain of links is refused', async (t) => {
  const deep = [folderPart('env/a'), folderPart('env/a/b')]
  for (const target of ['/etc/passwd', '/opt/env/a', '', '../x', '..', './..', 'a/../..', 'a/../x', 'x\0y'])
    await assert.rejects(write(t, [...deep, linkPart('env/l', target)]), LayerRefused, target)
  for (const target of ['../../../x', '../../../..', '../b/../../../../x'])
    await assert.rejects(write(t, [...deep, linkPart('env/a/b/l', target)]), LayerRefused, target)
  for (const target of ['../../x', '../..', './../b', 'l', '.', 'never/there'])
    await write(t, [...deep, linkPart('env/a/b/l', target)])
})

test('nothing is written through what somebody else put there', async (t) => {
  const { folder, writer } = await write(t, [])
  await symlink('/tmp', join(folder, 'planted'))
  await assert.rejects(writer.take(folderPart('env/planted')), LayerRefused)
  for (const part of file('env/planted').slice(0, 1)) await assert.rejects(writer.take(part), LayerRefused)
})

test('size and count are bounded before anything is written, empty files count too', async (t) => {
  await assert.rejects(write(t, file('env/a', 'x'.repeat(5000)), { bytes: 5000 }), /larger than 4\.9 KiB/)
  const huge: TreePart = { kind: 'file', path: 'env/a', mode: 0o644, bytes: 2n ** 63n }
  await assert.rejects(write(t, [huge]), /larger than 1 MiB/)
  const many = Array.from({ length: 11 }, (_, i) => file(`env/${i}`, '')).flat()
  await assert.rejects(write(t, many, { entries: 10 }), /more than 10 files and folders/)
  await assert.rejects(write(t, many, { bytes: 4000 }), /larger than/)
})
