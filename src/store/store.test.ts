import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Environment, transitionEnvironment } from '../model/environment.ts'
import { type LayerHash, newEnvironmentId } from '../model/ids.ts'
import { FakeClock } from '../std/clock.ts'
import { segmentsIn } from './journal.ts'
import { openStore } from './store.ts'
import { accepted, succeeded, tempDir, tempStore, tenantId } from './test-records.ts'

test('what was written is there after closing and opening again', async (t) => {
  const path = join(await tempDir(t), 'cloche.db')
  const first = await openStore(path)
  const tenant = await first.tenants.create('default')
  const [durable, appended] = [accepted(tenant.id), succeeded(tenant.id)]
  await first.executions.accept(durable)
  first.executions.append(appended)
  await first.close()

  const second = await openStore(path)
  t.after(() => second.close())
  assert.deepEqual({ ...(await second.tenants.byName('default')) }, tenant)
  assert.deepEqual(await second.executions.get(tenant.id, durable.id), durable)
  assert.deepEqual(await second.executions.get(tenant.id, appended.id), appended)
  assert.equal(second.stats().replayedRecords, 0)
})

test('a journal that outlived its server is taken in at the next open, and again without effect', async (t) => {
  const dir = await tempDir(t)
  const [original, copy] = [join(dir, 'original'), join(dir, 'crashed')]
  mkdirSync(original)
  const live = await openStore(join(original, 'cloche.db'), { clock: new FakeClock() })
  t.after(() => live.close())
  const tenant = tenantId()
  const deleted = succeeded(tenant)
  live.executions.append(deleted)
  await live.executions.delete(tenant, deleted.id)
  const records = Array.from({ length: 600 }, () => succeeded(tenant))
  // The clock stands still, so these stay in the journal: 600 are two full batches and a rest.
  for (const record of records) live.executions.append(record)
  await live.platform.getSetting('any')

  // What a crash leaves: the files as they are now, with a line that was being written.
  cpSync(original, copy, { recursive: true })
  appendFileSync(segmentsIn(join(copy, 'journal')).at(-1)?.path ?? '', '1234abcd {"id":"exec_')

  const opened = await openStore(join(copy, 'cloche.db'))
  t.after(() => opened.close())
  assert.deepEqual([opened.stats().replayedRecords, opened.stats().unreadableLines], [600 - 512, 1])
  const { items } = await opened.executions.list(tenant, { limit: 1000 })
  assert.deepEqual(items.toReversed(), records)
  assert.equal(
    await opened.executions.get(tenant, deleted.id),
    undefined,
    'what was deleted does not come back',
  )
  await opened.close()

  const again = await openStore(join(copy, 'cloche.db'))
  t.after(() => again.close())
  assert.deepEqual([again.stats().replayedRecords, again.stats().unreadableLines], [0, 0])
  assert.equal((await again.executions.list(tenant, { limit: 1000 })).items.length, 600)
  while (segmentsIn(join(copy, 'journal')).length > 1) await wait(1)
})

test("a data folder is one server's at a time", async (t) => {
  const { path } = await tempStore(t)
  await assert.rejects(openStore(path), { code: 'store_in_use' })
})

test('calls after closing are refused, and closing twice is closing once', async (t) => {
  const store = await openStore(join(await tempDir(t), 'cloche.db'))
  await Promise.all([store.close(), store.close()])
  await assert.rejects(store.tenants.list(), { code: 'shutting_down' })
  assert.throws(() => store.executions.append(succeeded(tenantId())), { code: 'shutting_down' })
})

test('everything called before closing is answered', async (t) => {
  const store = await openStore(join(await tempDir(t), 'cloche.db'))
  const accepts = Array.from({ length: 50 }, () => store.executions.accept(accepted(tenantId())))
  const closing = store.close()
  assert.ok((await Promise.all(accepts)).every(({ outcome }) => outcome === 'accepted'))
  await closing
})

test('tenant names are taken once', async (t) => {
  const { store } = await tempStore(t)
  const tenant = await store.tenants.create('default')
  await assert.rejects(store.tenants.create('default'), { code: 'conflict', detail: /"default" is taken/ })
  assert.deepEqual(
    (await store.tenants.list()).map(({ id }) => id),
    [tenant.id],
  )
  assert.equal((await store.tenants.get(tenant.id))?.name, 'default')
})

test("environments are compared and set, found by name and by what they are built from, and are their tenant's", async (t) => {
  const { store } = await tempStore(t)
  const environment = environmentOf('science')
  const { tenantId: mine } = environment
  await store.environments.create(environment)
  await assert.rejects(store.environments.create({ ...environmentOf('science'), tenantId: mine }), {
    code: 'conflict',
  })
  assert.equal((await store.platform.unbuilt()).length, 1)
  const building = transitionEnvironment(environment, 'building', 1)
  const ready = transitionEnvironment(building, 'ready', 2, { layer: 'b'.repeat(64) as LayerHash })
  await store.environments.update(building)
  await assert.rejects(store.environments.update(building), { code: 'conflict' })
  await store.environments.update(ready)
  assert.deepEqual(await store.environments.byName(mine, 'science'), ready)
  assert.deepEqual(await store.environments.bySpec(mine, environment.specHash), ready)
  assert.deepEqual(await store.environments.list(mine), [ready])
  assert.deepEqual(await store.platform.layers(), ['b'.repeat(64)])
  assert.deepEqual(await store.platform.unbuilt(), [])

  const other = tenantId()
  assert.equal(await store.environments.byName(other, 'science'), undefined)
  assert.equal(await store.environments.get(other, environment.id), undefined)
  assert.equal(await store.environments.delete(other, environment.id), false)
  assert.equal(await store.environments.delete(mine, environment.id), true)
})

function environmentOf(name: string): Environment {
  const now = Date.now()
  return {
    id: newEnvironmentId(now),
    tenantId: tenantId(),
    name,
    spec: { python: { packages: ['numpy'] } },
    specHash: 'a'.repeat(64) as LayerHash,
    status: 'pending',
    revision: 0,
    layer: null,
    layerBytes: null,
    buildMs: null,
    error: null,
    createdAt: now,
    updatedAt: now,
  }
}
