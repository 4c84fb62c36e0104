import assert from 'node:assert/strict'
import test from 'node:test'
import { transition } from '../model/execution.ts'
import { newExecutionId } from '../model/ids.ts'
import { FakeClock } from '../std/clock.ts'
import { accepted, running, succeeded, tempStore, tenantId } from './test-records.ts'

const claimOf = (key: string, fingerprint = 'f', expiresAt = Number.MAX_SAFE_INTEGER) => ({
  key,
  fingerprint,
  expiresAt,
})

test('an accepted record is read back exactly', async (t) => {
  const { store } = await tempStore(t)
  const record = accepted(tenantId(), { request: { bytes: 4, text: 'ünïc', encoding: 'utf8' } })
  assert.deepEqual(await store.executions.accept(record), { outcome: 'accepted' })
  assert.deepEqual(await store.executions.get(record.tenantId, record.id), record)
  await assert.rejects(store.executions.accept(record), { code: 'conflict' })
})

test('every read sees every append before it', async (t) => {
  const { store } = await tempStore(t, { clock: new FakeClock() })
  const tenant = tenantId()
  const records = Array.from({ length: 700 }, () => succeeded(tenant))
  for (const record of records) store.executions.append(record)
  const [last] = records.slice(-1)
  assert.ok(last)
  assert.deepEqual(await store.executions.get(tenant, last.id), last)
  const page = await store.executions.list(tenant, { limit: 1000 })
  assert.deepEqual(
    page.items.map(({ id }) => id),
    records.map(({ id }) => id).reverse(),
  )
  assert.equal(page.cursor, null)
})

test('appended records reach the database by themselves, in batches', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  for (let i = 0; i < 10; i++) store.executions.append(succeeded(tenantId()))
  assert.equal(store.stats().pendingRecords, 10)
  await clock.advance(25)
  await store.platform.getSetting('anything')
  assert.deepEqual([store.stats().pendingRecords, store.stats().pendingBytes], [0, 0])
})

test('an older revision never replaces a newer one, and a commit that comes late is refused', async (t) => {
  const { store } = await tempStore(t)
  const first = accepted(tenantId())
  const second = transition(first, 'running', 1)
  const third = transition(second, 'failed', 2, { exitCode: 3 })
  await store.executions.accept(first)
  store.executions.append(third)
  store.executions.append(second)
  assert.deepEqual(await store.executions.get(first.tenantId, first.id), third)
  await assert.rejects(store.executions.commit(second), { code: 'conflict' })
  await assert.rejects(store.executions.commit(third), { code: 'conflict' })
  await assert.rejects(store.executions.commit(running(first.tenantId)), { code: 'conflict' })
})

test('a commit follows what was appended before it', async (t) => {
  const { store } = await tempStore(t)
  const begun = running(tenantId())
  store.executions.append(begun)
  const ended = transition(begun, 'oom', 5)
  await store.executions.commit(ended)
  assert.equal((await store.executions.get(begun.tenantId, begun.id))?.status, 'oom')
})

test('a tenant reaches only its own records', async (t) => {
  const { store } = await tempStore(t)
  const record = succeeded(tenantId())
  store.executions.append(record)
  const other = tenantId()
  assert.equal(await store.executions.get(other, record.id), undefined)
  assert.deepEqual((await store.executions.list(other, { limit: 10 })).items, [])
  assert.equal(await store.executions.delete(other, record.id), false)
  assert.ok(await store.executions.get(record.tenantId, record.id))
})

test('pages follow each other without gap or repetition while records are added', async (t) => {
  const { store } = await tempStore(t)
  const tenant = tenantId()
  const records = Array.from({ length: 25 }, (_, i) => (i % 2 ? succeeded(tenant) : running(tenant)))
  for (const record of records) store.executions.append(record)
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.executions.list(tenant, { limit: 10, cursor })
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.cursor ?? undefined
    store.executions.append(succeeded(tenant))
  } while (cursor)
  assert.deepEqual(seen, records.map(({ id }) => id).reverse())

  const live = await store.executions.list(tenant, { limit: 13, status: 'running' })
  assert.equal(live.items.length, 13)
  assert.ok(live.items.every(({ status }) => status === 'running'))
  assert.equal(live.cursor, null)
  await assert.rejects(store.executions.list(tenant, { limit: 1, cursor: 'x' }), { code: 'invalid_request' })
})

test('an ended record can be deleted, a live one cannot', async (t) => {
  const { store } = await tempStore(t)
  const [live, ended] = [running(tenantId()), succeeded(tenantId())]
  store.executions.append(live)
  store.executions.append(ended)
  await assert.rejects(store.executions.delete(live.tenantId, live.id), { code: 'execution_still_running' })
  assert.equal(await store.executions.delete(ended.tenantId, ended.id), true)
  assert.equal(await store.executions.delete(ended.tenantId, ended.id), false)
  assert.equal(await store.executions.get(ended.tenantId, ended.id), undefined)
})

test('an idempotency key gives the execution it was first used for, under any number of repetitions at once', async (t) => {
  const { store } = await tempStore(t)
  const tenant = tenantId()
  const records = Array.from({ length: 20 }, () => accepted(tenant))
  const outcomes = await Promise.all(records.map((record) => store.executions.accept(record, claimOf('k'))))
  assert.equal(outcomes.filter(({ outcome }) => outcome === 'accepted').length, 1)
  const [first] = records
  assert.ok(
    outcomes.slice(1).every((given) => given.outcome === 'repeated' && given.executionId === first?.id),
  )
  assert.equal((await store.executions.list(tenant, { limit: 100 })).items.length, 1)
  assert.equal(await store.idempotency.find(tenant, 'k', 'f'), first?.id)
})

test('an idempotency key refuses another request, belongs to its tenant, and ends', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const record = accepted(tenantId())
  await store.executions.accept(record, claimOf('k', 'f', clock.now() + 1000))
  const other = accepted(record.tenantId)
  await assert.rejects(store.executions.accept(other, claimOf('k', 'g')), { code: 'idempotency_conflict' })
  assert.equal(await store.executions.get(other.tenantId, other.id), undefined)
  assert.deepEqual(await store.executions.accept(accepted(tenantId()), claimOf('k', 'g')), {
    outcome: 'accepted',
  })
  await clock.advance(1000)
  assert.deepEqual(await store.executions.accept(other, claimOf('k', 'g')), { outcome: 'accepted' })
})

test('what does not exist is undefined', async (t) => {
  const { store } = await tempStore(t)
  assert.equal(await store.executions.get(tenantId(), newExecutionId(Date.now())), undefined)
  assert.equal(await store.idempotency.find(tenantId(), 'k', 'f'), undefined)
})
