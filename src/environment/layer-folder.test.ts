import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { isLayerHash, type LayerHash } from '../model/ids.ts'
import { MAX_TIMEOUT_MS } from '../model/limits.ts'
import { FakeClock } from '../std/clock.ts'
import { LayerFolder } from './layer-folder.ts'
import type { Manifest } from './manifest.ts'

const MANIFEST: Manifest = {
  format: 1,
  requested: { python: ['a'], node: [], allowInstallScripts: false },
  installed: { python: [], node: [] },
  entries: 1,
  bytes: 2,
  builtAt: '2026-01-01T00:00:00.000Z',
}

function hash(digit: string): LayerHash {
  const text = digit.repeat(64)
  assert.ok(isLayerHash(text))
  return text
}

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cloche-layers-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('a layer appears whole, with its manifest, or not at all', async (t) => {
  const folder = await emptyFolder(t)
  const layers = new LayerFolder(folder, new FakeClock())
  await layers.open(new Set())
  const draft = await layers.begin()
  await writeFile(join(draft.folder, 'a'), 'x')
  assert.equal(layers.has(hash('1')), false)
  await draft.keep(hash('1'), MANIFEST)
  assert.equal(layers.has(hash('1')), true)
  assert.deepEqual(await readdir(folder), [hash('1')])
  assert.deepEqual((await readdir(join(folder, hash('1')))).sort(), ['a', 'manifest.json'])
  assert.deepEqual(await layers.manifest(hash('1')), MANIFEST)
  const given = await layers.begin()
  await given.discard()
  assert.deepEqual(await readdir(folder), [hash('1')])
})

test('a start removes what is half done and what nobody needs, and knows the rest', async (t) => {
  const folder = await emptyFolder(t)
  for (const name of ['.unfinished-abc', '.removed-x', 'other', hash('1'), hash('2')])
    await mkdir(join(folder, name, 'deep/er'), { recursive: true })
  const layers = new LayerFolder(folder, new FakeClock())
  await layers.open(new Set([hash('1'), hash('3')]))
  assert.deepEqual(await readdir(folder), [hash('1')])
  assert.deepEqual(
    [hash('1'), hash('2'), hash('3')].map((one) => layers.has(one)),
    [true, false, false],
  )
  assert.equal(await layers.manifest(hash('1')), undefined, 'a layer without a manifest cannot be read')
})

test('a removed layer is gone at once; its files stay as long as an execution may last, but never many of them', async (t) => {
  const folder = await emptyFolder(t)
  const clock = new FakeClock()
  const layers = new LayerFolder(folder, clock)
  await layers.open(new Set())
  const makeAndRemove = async (): Promise<void> => {
    await (await layers.begin()).keep(hash('1'), MANIFEST)
    const removing = layers.remove(hash('1'))
    assert.equal(layers.has(hash('1')), false)
    await removing
  }
  await makeAndRemove()
  await layers.remove(hash('1'))
  const [aside = ''] = await readdir(folder)
  assert.match(aside, /^\.removed-/)
  assert.deepEqual(await readdir(join(folder, aside)), ['manifest.json'])
  for (let i = 0; i < 10; i++) await makeAndRemove()
  const left = await readdir(folder)
  assert.deepEqual([left.length, left.includes(aside)], [8, false])
  await clock.advance(MAX_TIMEOUT_MS + 60_000)
  while ((await readdir(folder)).length > 0) await new Promise(setImmediate)
})
