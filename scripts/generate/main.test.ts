import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { generated, repository } from './main.ts'

for (const [path, text] of generated()) {
  test(`${path} is what its source says (else: node scripts/generate/main.ts)`, () => {
    assert.equal(readFileSync(join(repository, path), 'utf8'), text)
  })
}
