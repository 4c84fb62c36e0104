import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { isClocheError } from '../model/errors.ts'
import { currentBaseTree } from './base-tree.ts'

test('only a tree that is complete is used, and its name cannot lead elsewhere', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-base-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const hash = 'ab'.repeat(16)
  const refused = (): void =>
    assert.throws(
      () => currentBaseTree(folder),
      (error) => isClocheError(error, 'sandbox_unavailable'),
    )
  refused()
  writeFileSync(join(folder, 'current'), `${hash}\n`)
  mkdirSync(join(folder, hash, 'root'), { recursive: true })
  refused()
  writeFileSync(join(folder, hash, 'ok'), '')
  assert.deepEqual(currentBaseTree(folder), { hash, root: join(folder, hash, 'root') })
  writeFileSync(join(folder, 'current'), '../..')
  refused()
})
