import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { openBlobFolder } from '../blobs/folder.ts'
import { newExecution, transition } from '../model/execution.ts'
import { newExecutionId, newServerId } from '../model/ids.ts'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { systemClock } from '../std/clock.ts'
import { silentLog } from '../std/log.ts'
import { openStore } from '../store/store.ts'
import { startHousekeeping } from './housekeeping.ts'

test('executions beyond the limits go by themselves, the newer ones stay', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-sweep-'))
  const store = await openStore(join(folder, 'cloche.db'))
  const blobs = await openBlobFolder(join(folder, 'blobs'))
  const tenant = await store.tenants.create('someone')
  const now = Date.now()
  const ids = [1, 2, 3, 4].map((age) => {
    const record = newExecution({
      id: newExecutionId(now - age),
      tenantId: tenant.id,
      keyId: null,
      serverId: newServerId(now),
      isAsync: false,
      language: null,
      mode: 'ephemeral',
      limits: DEFAULT_LIMITS,
      timeoutMs: 1,
      createdAt: now - age * 1000,
    })
    store.executions.append(transition(transition(record, 'running', now), 'succeeded', now - age * 1000))
    return record.id
  })
  await store.flush()
  const limits = { maxAgeMs: 3_600_000, maxCount: 2 }
  const housekeeping = startHousekeeping({
    store,
    blobs,
    clock: systemClock,
    log: silentLog,
    limits,
    intervalMs: 20,
  })
  t.after(async () => {
    await housekeeping.stop()
    await store.close()
    rmSync(folder, { recursive: true })
  })
  for (let tries = 0; tries < 200; tries++) {
    if ((await store.executions.list(tenant.id, { limit: 10 })).items.length === 2) break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const left = (await store.executions.list(tenant.id, { limit: 10 })).items
  assert.equal(left.length, 2)
  assert.ok(left.every((record) => ids.includes(record.id)))
})
