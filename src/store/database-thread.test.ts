import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ClocheError } from '../model/errors.ts'
import { DatabaseThread } from './database-thread.ts'
import { tempDir, tenantId } from './test-records.ts'

test('calls are answered each with its own result or error, however many go at once', async (t) => {
  const thread = await DatabaseThread.start(join(await tempDir(t), 'cloche.db'))
  t.after(() => thread.close())
  const names = Array.from({ length: 3000 }, (_, i) => `tenant-${i % 1500}`)
  const results = await Promise.allSettled(
    names.map((name) => thread.call('createTenant', { id: tenantId(), name, createdAt: 1 })),
  )
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1500)
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  assert.ok(failures.every((error) => error instanceof ClocheError && error.code === 'conflict'))
  assert.equal((await thread.call('listTenants', undefined)).length, 1500)
  assert.equal(thread.waitingCalls, 0)
})

test('an error that is none of ours arrives as internal, with what it said as cause', async (t) => {
  const thread = await DatabaseThread.start(join(await tempDir(t), 'cloche.db'))
  t.after(() => thread.close())
  await assert.rejects(thread.call('commitExecution', 'this is not JSON'), (error) => {
    assert.ok(error instanceof ClocheError && error.code === 'internal')
    assert.match(String(error.cause), /JSON/)
    return true
  })
})

test('a database that cannot be used is said at the start, and no thread stays', async (t) => {
  const path = join(await tempDir(t), 'cloche.db')
  writeFileSync(path, 'text '.repeat(1000))
  await assert.rejects(DatabaseThread.start(path), { code: 'store_damaged' })
  await assert.rejects(DatabaseThread.start(join(path, 'below a file')), { code: 'store_damaged' })
})
