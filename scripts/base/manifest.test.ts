import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { hashTree, packagesFrom } from './manifest.ts'

function treeFor(context: { after(action: () => void): void }): string {
  const root = mkdtempSync(join(tmpdir(), 'cloche-tree-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'bin'))
  writeFileSync(join(root, 'bin/tool'), 'one', { mode: 0o755 })
  symlinkSync('bin/tool', join(root, 'link'))
  return root
}

test('equal trees have equal names, whenever they were written', (context) => {
  const [left, right] = [treeFor(context), treeFor(context)]
  utimesSync(join(right, 'bin/tool'), 1, 1)
  assert.equal(hashTree(left).hash, hashTree(right).hash)
  assert.deepEqual({ files: hashTree(left).files, bytes: hashTree(left).bytes }, { files: 1, bytes: 3 })
})

test('a change of bytes, mode, link target or names changes the name of the tree', (context) => {
  const changes: readonly ((root: string) => void)[] = [
    (root) => writeFileSync(join(root, 'bin/tool'), 'two'),
    (root) => chmodSync(join(root, 'bin/tool'), 0o555),
    (root) => chmodSync(join(root, 'bin'), 0o700),
    (root) => writeFileSync(join(root, 'bin/more'), ''),
    (root) => {
      rmSync(join(root, 'link'))
      symlinkSync('bin/other', join(root, 'link'))
    },
  ]
  const original = hashTree(treeFor(context)).hash
  const names = changes.map((change) => {
    const root = treeFor(context)
    change(root)
    return hashTree(root).hash
  })
  assert.equal(new Set([original, ...names]).size, changes.length + 1)
})

test('what is neither file, folder nor link is refused, not skipped', (context) => {
  const root = treeFor(context)
  execFileSync('mkfifo', [join(root, 'pipe')])
  assert.throws(() => hashTree(root), /pipe is neither file, folder nor link/)
})

test('the list of packages keeps versions whole', () => {
  assert.deepEqual(packagesFrom('bash 5.2.15-2+b13\nlogin 1:4.13\n\n'), {
    bash: '5.2.15-2+b13',
    login: '1:4.13',
  })
})
