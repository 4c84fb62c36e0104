import assert from 'node:assert/strict'
import test from 'node:test'
import { files, linesMatching, read } from './repository.ts'

type Manifest = { dependencies?: Record<string, string>; devDependencies?: Record<string, string> }

/** package.json is ours: npm itself would refuse one of another shape. */
const manifest: Manifest = JSON.parse(read('package.json'))
const declared = { ...manifest.dependencies, ...manifest.devDependencies }

test('every dependency has its reason in a decision record', () => {
  const decisions = files
    .filter((path) => /^docs\/decisions\/.*\.md$/.test(path))
    .map(read)
    .join('\n')
  const unexplained = Object.keys(declared).filter((name) => !decisions.includes(`\`${name}\``))
  assert.deepEqual(unexplained, [])
})

test('every dependency is pinned to one version', () => {
  assert.deepEqual(
    Object.entries(declared).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  )
})

test('the lock names no place to download from, so that each machine uses its own registry', () => {
  assert.deepEqual(linesMatching('package-lock.json', /"resolved"/), [])
})

test('the lock proves the content of every package it names', () => {
  const lock: { packages: Record<string, { integrity?: string; link?: boolean; inBundle?: boolean }> } =
    JSON.parse(read('package-lock.json'))
  const unproven = Object.entries(lock.packages)
    .filter(
      ([path, entry]) => path.includes('node_modules/') && !entry.integrity && !entry.link && !entry.inBundle,
    )
    .map(([path]) => path)
  assert.deepEqual(unproven, [])
})

test('the lock holds every package it mentions, also those for other platforms: npm ci refuses it otherwise', () => {
  const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
    read('package-lock.json'),
  )
  const mentioned = Object.values(lock.packages).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}),
  )
  assert.deepEqual(
    mentioned.filter(
      (name) => !Object.keys(lock.packages).some((path) => path.endsWith(`node_modules/${name}`)),
    ),
    [],
  )
})
