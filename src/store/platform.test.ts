import assert from 'node:assert/strict'
import test from 'node:test'
import { newServerId } from '../model/ids.ts'
import { FakeClock } from '../std/clock.ts'
import { accepted, blobHash, running, SERVER, succeeded, tempStore, withBlob } from './test-records.ts'

const FOREVER = Number.MAX_SAFE_INTEGER

test('a start finds all that another one left unfinished, of every tenant, oldest first', async (t) => {
  const { store } = await tempStore(t)
  const tenants = [await store.tenants.create('a'), await store.tenants.create('b')]
  const left = Array.from({ length: 600 }, (_, i) => {
    const { id } = tenants[i % 2] ?? assert.fail()
    return i % 3 ? accepted(id) : running(id)
  })
  const now = newServerId(Date.now())
  for (const record of left) store.executions.append(record)
  store.executions.append(succeeded(tenants[0]?.id ?? assert.fail()))
  store.executions.append(running(tenants[0]?.id ?? assert.fail(), { serverId: now }))
  assert.deepEqual(await store.platform.unfinished(now), left)
  assert.equal((await store.platform.unfinished(SERVER)).length, 1)
})

test('retention removes the oldest beyond the count, for each tenant by itself, and never a live one', async (t) => {
  const { store } = await tempStore(t)
  const { id: many } = await store.tenants.create('many')
  const { id: few } = await store.tenants.create('few')
  const live = running(many)
  store.executions.append(live)
  const ended = Array.from({ length: 450 }, () => succeeded(many))
  for (const record of ended) store.executions.append(record)
  store.executions.append(succeeded(few))
  const swept = await store.platform.sweep({ maxAgeMs: FOREVER, maxCount: 30 })
  assert.equal(swept.executions, 420)
  const kept = await store.executions.list(many, { limit: 100 })
  assert.deepEqual(
    kept.items.map(({ id }) => id),
    [
      ...ended
        .slice(-30)
        .reverse()
        .map(({ id }) => id),
      live.id,
    ],
  )
  assert.equal((await store.executions.list(few, { limit: 9 })).items.length, 1)
})

test('retention removes what is too old, and says which blobs nothing needs any more', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const { id: tenant } = await store.tenants.create('a')
  const [onlyOld, shared, onlyNew] = [blobHash('a'), blobHash('b'), blobHash('c')]
  const old = clock.now()
  for (const blob of [onlyOld, shared]) store.executions.append(withBlob(tenant, blob, { createdAt: old }))
  await clock.advance(10_000)
  for (const blob of [onlyNew, shared])
    store.executions.append(withBlob(tenant, blob, { createdAt: clock.now() }))
  assert.equal((await store.platform.referenced([onlyOld, shared, onlyNew, blobHash('d')])).size, 3)
  const swept = await store.platform.sweep({ maxAgeMs: 5000, maxCount: FOREVER })
  assert.deepEqual(swept, { executions: 2, results: 0, idempotencyKeys: 0, freed: [onlyOld] })
  assert.deepEqual(await store.platform.referenced([onlyOld, shared, onlyNew]), new Set([shared, onlyNew]))
})

test('a record that lets go of a blob frees it, and so does deleting', async (t) => {
  const { store } = await tempStore(t)
  const { id: tenant } = await store.tenants.create('a')
  const before = { ...running(tenant), request: { bytes: 5, blob: blobHash('a') } }
  store.executions.append(before)
  assert.equal((await store.platform.referenced([blobHash('a')])).size, 1)
  const after = { ...withBlob(tenant, blobHash('b'), { id: before.id }), revision: 9 }
  store.executions.append(after)
  assert.deepEqual(await store.platform.referenced([blobHash('a'), blobHash('b')]), new Set([blobHash('b')]))
  await store.executions.delete(tenant, after.id)
  assert.equal((await store.platform.referenced([blobHash('a'), blobHash('b')])).size, 0)
})

test('results are given back until they expire, keep their blobs until swept, and belong to their tenant', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const [mine, theirs] = [await store.tenants.create('a'), await store.tenants.create('b')]
  const record = withBlob(mine.id, blobHash('a'))
  await store.results.put(mine.id, 'key', record, clock.now() + 1000)
  assert.deepEqual(await store.results.get(mine.id, 'key'), record)
  assert.equal(await store.results.get(theirs.id, 'key'), undefined)
  await clock.advance(1000)
  assert.equal(await store.results.get(mine.id, 'key'), undefined)
  assert.equal((await store.platform.referenced([blobHash('a')])).size, 1)
  const swept = await store.platform.sweep({ maxAgeMs: FOREVER, maxCount: FOREVER })
  assert.deepEqual([swept.results, swept.freed], [1, [blobHash('a')]])
})

test('expired idempotency keys are swept', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const { id: tenant } = await store.tenants.create('a')
  for (let i = 0; i < 250; i++) {
    const claim = { key: `k${i}`, fingerprint: 'f', expiresAt: clock.now() + (i < 240 ? 10 : 1000) }
    await store.executions.accept(accepted(tenant), claim)
  }
  await clock.advance(100)
  assert.equal((await store.platform.sweep({ maxAgeMs: FOREVER, maxCount: FOREVER })).idempotencyKeys, 240)
})

test('settings are kept by name', async (t) => {
  const { store } = await tempStore(t)
  assert.equal(await store.platform.getSetting('x'), undefined)
  await store.platform.setSetting('x', '1')
  await store.platform.setSetting('x', '2')
  assert.equal(await store.platform.getSetting('x'), '2')
})
