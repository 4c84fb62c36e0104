import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { newSecret } from '../model/api-key.ts'
import type { ErrorCode } from '../model/errors.ts'
import { FakeClock } from '../std/clock.ts'
import type { NewKey, Store } from './store.ts'
import { tempStore } from './test-records.ts'

const KEY: NewKey = { name: 'ci', scopes: ['execute'], ratePerMinute: 60, expiresAt: null }
const verify = async (store: Store, secret: string): Promise<string> => (await store.keys.verify(secret)).id
const refused = (code: ErrorCode): { code: ErrorCode } => ({ code })

test('a key is known by its secret, which is kept nowhere', async (t) => {
  const { store, path } = await tempStore(t)
  const tenant = await store.tenants.create('default')
  const { key, secret } = await store.keys.create(tenant.id, KEY)
  assert.deepEqual({ ...(await store.keys.verify(secret)) }, key)
  assert.equal(key.tenantId, tenant.id)
  assert.ok(secret.startsWith(key.prefix))
  await store.flush()
  for (const file of [path, `${path}-wal`])
    assert.ok(!readFileSync(file).includes(secret.slice(key.prefix.length)), file)
})

test('what is no key, or not ours, is unauthorized', async (t) => {
  const { store } = await tempStore(t)
  await assert.rejects(verify(store, 'hello'), { code: 'unauthorized', detail: /not an API key/ })
  await assert.rejects(verify(store, newSecret()), { code: 'unauthorized', detail: /not known/ })
})

test('a revoked key is refused at once, whatever was in memory or under way', async (t) => {
  const { store } = await tempStore(t)
  const tenant = await store.tenants.create('default')
  const { key, secret } = await store.keys.create(tenant.id, KEY)
  await verify(store, secret)
  const [, revoked] = await Promise.all([verify(store, secret), store.keys.revoke(tenant.id, key.id)])
  assert.ok(revoked?.revokedAt)
  await assert.rejects(verify(store, secret), refused('key_revoked'))
  assert.equal((await store.keys.revoke(tenant.id, key.id))?.revokedAt, revoked.revokedAt)
})

test('a look-up that overlaps a revocation is not remembered', async (t) => {
  const { store } = await tempStore(t)
  const tenant = await store.tenants.create('default')
  const { key, secret } = await store.keys.create(tenant.id, KEY)
  await Promise.all([verify(store, secret), store.keys.revoke(tenant.id, key.id)])
  await assert.rejects(verify(store, secret), refused('key_revoked'))
})

test('a key ends when it expires, also while it is in memory', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const tenant = await store.tenants.create('default')
  const { secret } = await store.keys.create(tenant.id, { ...KEY, expiresAt: clock.now() + 1000 })
  await verify(store, secret)
  await clock.advance(1000)
  await assert.rejects(verify(store, secret), refused('key_expired'))
})

test('another tenant neither sees nor revokes a key', async (t) => {
  const { store } = await tempStore(t)
  const [mine, theirs] = [await store.tenants.create('mine'), await store.tenants.create('theirs')]
  const { key, secret } = await store.keys.create(mine.id, KEY)
  assert.equal(await store.keys.get(theirs.id, key.id), undefined)
  assert.deepEqual(await store.keys.list(theirs.id), [])
  assert.equal(await store.keys.revoke(theirs.id, key.id), undefined)
  await verify(store, secret)
})

test('the last use is shown at once and is on disk a minute later', async (t) => {
  const clock = new FakeClock()
  const { store } = await tempStore(t, { clock })
  const tenant = await store.tenants.create('default')
  const { key, secret } = await store.keys.create(tenant.id, KEY)
  assert.equal((await store.keys.get(tenant.id, key.id))?.lastUsedAt, null)
  await clock.advance(5000)
  const usedAt = clock.now()
  await verify(store, secret)
  assert.equal((await store.keys.get(tenant.id, key.id))?.lastUsedAt, usedAt)
  await clock.advance(60_000)
  assert.equal((await store.keys.list(tenant.id))[0]?.lastUsedAt, usedAt)
})
