/* Records and stores for the tests of this folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type ExecutionRecord, newExecution, transition } from '../model/execution.ts'
import {
  type BlobHash,
  newExecutionId,
  newServerId,
  newTenantId,
  type ServerId,
  type TenantId,
} from '../model/ids.ts'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { openStore, type Store, type StoreOptions } from './store.ts'

export const SERVER: ServerId = newServerId(Date.UTC(2026, 0, 1))

export async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cloche-store-'))
  t.after(() => rm(dir, { recursive: true }))
  return dir
}

export async function tempStore(
  t: TestContext,
  options: StoreOptions = {},
): Promise<{ dir: string; path: string; store: Store }> {
  const dir = await mkdtemp(join(tmpdir(), 'cloche-store-'))
  const path = join(dir, 'cloche.db')
  const store = await openStore(path, options)
  t.after(async () => {
    await store.close()
    await rm(dir, { recursive: true })
  })
  return { dir, path, store }
}

export function accepted(tenantId: TenantId, given: Partial<ExecutionRecord> = {}): ExecutionRecord {
  const createdAt = given.createdAt ?? Date.now()
  const record = newExecution({
    id: newExecutionId(createdAt),
    tenantId,
    keyId: null,
    serverId: SERVER,
    isAsync: true,
    language: 'python',
    mode: 'ephemeral',
    limits: DEFAULT_LIMITS,
    timeoutMs: 30_000,
    createdAt,
  })
  return { ...record, ...given }
}

export function running(tenantId: TenantId, given: Partial<ExecutionRecord> = {}): ExecutionRecord {
  const record = accepted(tenantId, given)
  return transition(record, 'running', record.createdAt)
}

export function succeeded(tenantId: TenantId, given: Partial<ExecutionRecord> = {}): ExecutionRecord {
  const record = running(tenantId, given)
  return transition(record, 'succeeded', record.createdAt, { exitCode: 0, durationMs: 1.5 })
}

/** A finished record whose standard output is this blob. */
export function withBlob(
  tenantId: TenantId,
  blob: BlobHash,
  given: Partial<ExecutionRecord> = {},
): ExecutionRecord {
  return {
    ...succeeded(tenantId, given),
    stdout: { producedBytes: 9, truncated: false, kept: { bytes: 9, blob } },
  }
}

export function blobHash(digit: string): BlobHash {
  return digit.repeat(64) as BlobHash
}

export function tenantId(): TenantId {
  return newTenantId(Date.now())
}
