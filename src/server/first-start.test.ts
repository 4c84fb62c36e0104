import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { DEFAULT_TENANT_NAME } from '../model/tenant.ts'
import { openStore } from '../store/store.ts'
import { prepareFirstStart } from './first-start.ts'

test('the first start writes one admin key for its owner only; later starts write none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-first-'))
  const store = await openStore(join(folder, 'cloche.db'))
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })
  const path = await prepareFirstStart(store, folder)
  assert.equal(path, join(folder, 'admin.key'))
  assert.equal(statSync(join(folder, 'admin.key')).mode & 0o777, 0o600)
  const key = await store.keys.verify(readFileSync(join(folder, 'admin.key'), 'utf8').trim())
  const tenant = await store.tenants.byName(DEFAULT_TENANT_NAME)
  assert.deepEqual([key.scopes, key.tenantId], [['admin'], tenant?.id])
  assert.equal(await prepareFirstStart(store, folder), undefined)
  rmSync(join(folder, 'admin.key'))
  assert.equal(await prepareFirstStart(store, folder), undefined, 'a removed file was removed on purpose')
  assert.equal(existsSync(join(folder, 'admin.key')), false)
})
