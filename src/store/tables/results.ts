import { blobsOf, type ExecutionRecord } from '../../model/execution.ts'
import type { TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'
import { dropBlobRefs, putBlobRefs } from './blob-refs.ts'

export interface ResultKey {
  readonly tenantId: TenantId
  readonly key: string
}

export interface NewResult extends ResultKey {
  readonly body: string
  readonly expiresAt: number
}

export function getResult(
  db: Database,
  { tenantId, key, nowMs }: ResultKey & { readonly nowMs: number },
): string | undefined {
  return db.get<{ body: string }>(
    'SELECT body FROM result_cache WHERE tenant_id = ? AND key = ? AND expires_at > ?',
    tenantId,
    key,
    nowMs,
  )?.body
}

export function putResult(db: Database, { tenantId, key, body, expiresAt }: NewResult): void {
  const record: ExecutionRecord = JSON.parse(body)
  dropBlobRefs(db, tenantId, ownerOf(key))
  db.run(
    'INSERT OR REPLACE INTO result_cache (tenant_id, key, expires_at, body) VALUES (?, ?, ?, ?)',
    tenantId,
    key,
    expiresAt,
    body,
  )
  putBlobRefs(db, tenantId, ownerOf(key), blobsOf(record))
}

/** In blob_refs; no execution id looks like it. */
export function ownerOf(key: string): string {
  return `result:${key}`
}
