import assert from 'node:assert/strict'
import test from 'node:test'
import { DEFAULT_TENANT_NAME, isName } from './tenant.ts'

test('names are short, plain, and safe in a path or URL', () => {
  for (const good of [DEFAULT_TENANT_NAME, 'a', '0', 'data-science_2.1', 'a'.repeat(63)])
    assert.ok(isName(good), good)
  for (const bad of ['', 'A', '-a', 'a-', '.', '..', '.a', 'a/b', 'a b', 'ä', 'a'.repeat(64), 'a\n']) {
    assert.ok(!isName(bad), JSON.stringify(bad))
  }
})
