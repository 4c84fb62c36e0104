import assert from 'node:assert/strict'
import test from 'node:test'
import * as ids from './ids.ts'

test('each kind of id is recognised as that kind and no other', () => {
  const now = Date.UTC(2026, 0, 1)
  const made = [
    [ids.newTenantId(now), ids.isTenantId],
    [ids.newKeyId(now), ids.isKeyId],
    [ids.newExecutionId(now), ids.isExecutionId],
    [ids.newEnvironmentId(now), ids.isEnvironmentId],
    [ids.newServerId(now), ids.isServerId],
  ] as const
  for (const [id, own] of made) {
    assert.deepEqual(
      made.filter(([, is]) => is(id)).map(([, is]) => is),
      [own],
    )
    assert.equal(ids.isBlobHash(id), false)
  }
})

test('a hash is 64 lower-case hex digits', () => {
  assert.ok(ids.isBlobHash('0a'.repeat(32)) && ids.isLayerHash('0a'.repeat(32)))
  for (const bad of ['', '0A'.repeat(32), '0a'.repeat(31), `${'0a'.repeat(32)}\n`, '../'.repeat(21) + 'x']) {
    assert.ok(!ids.isBlobHash(bad) && !ids.isLayerHash(bad))
  }
})
