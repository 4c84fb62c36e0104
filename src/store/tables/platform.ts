import { FINAL_STATUSES } from '../../model/execution-status.ts'
import type { BlobHash, ExecutionId, ServerId, TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'
import type { JournalPoint } from '../journal.ts'
import { dropBlobRefs } from './blob-refs.ts'
import { ownerOf } from './results.ts'

export interface UnfinishedQuery {
  readonly currentServer: ServerId
  readonly after: string
  readonly limit: number
}

export function unfinishedExecutions(
  db: Database,
  { currentServer, after, limit }: UnfinishedQuery,
): string[] {
  return db
    .all<{ body: string }>(
      'SELECT body FROM executions WHERE is_final = 0 AND server_id <> ? AND id > ? ORDER BY id LIMIT ?',
      currentServer,
      after,
      limit,
    )
    .map((row) => row.body)
}

export interface SweepStep {
  readonly tenantId: TenantId
  readonly endedBefore: number
  readonly maxCount: number
  readonly batch: number
}

export interface SweptStep {
  removed: number
  freed: BlobHash[]
}

/** Removes one batch of a tenant's oldest ended executions that are too old or too many. Live ones are never touched. */
export function sweepExecutions(
  db: Database,
  { tenantId, endedBefore, maxCount, batch }: SweepStep,
): SweptStep {
  const surplus = endedCount(db, tenantId) - maxCount
  const oldest = db.all<{ id: ExecutionId; createdAt: number; blobs: number }>(
    `SELECT id, created_at AS createdAt, blob_count AS blobs FROM executions
     WHERE tenant_id = ? AND is_final = 1 ORDER BY id LIMIT ?`,
    tenantId,
    batch,
  )
  const doomed = oldest.filter((row, index) => index < surplus || row.createdAt < endedBefore)
  const freed = doomed.flatMap((row) => {
    db.run('DELETE FROM executions WHERE tenant_id = ? AND id = ?', tenantId, row.id)
    return row.blobs > 0 ? dropBlobRefs(db, tenantId, row.id) : []
  })
  return { removed: doomed.length, freed }
}

/** Counted in the narrow status index instead of the table with its bodies. */
function endedCount(db: Database, tenantId: TenantId): number {
  let count = 0
  for (const status of FINAL_STATUSES) {
    const sql = 'SELECT count(*) AS count FROM executions WHERE tenant_id = ? AND status = ?'
    count += db.get<{ count: number }>(sql, tenantId, status)?.count ?? 0
  }
  return count
}

export interface ExpiryStep {
  readonly nowMs: number
  readonly batch: number
}

export function sweepResults(db: Database, { nowMs, batch }: ExpiryStep): SweptStep {
  const expired = db.all<{ tenantId: TenantId; key: string }>(
    'SELECT tenant_id AS tenantId, key FROM result_cache WHERE expires_at <= ? LIMIT ?',
    nowMs,
    batch,
  )
  const freed = expired.flatMap(({ tenantId, key }) => {
    db.run('DELETE FROM result_cache WHERE tenant_id = ? AND key = ?', tenantId, key)
    return dropBlobRefs(db, tenantId, ownerOf(key))
  })
  return { removed: expired.length, freed }
}

export function sweepIdempotency(db: Database, { nowMs, batch }: ExpiryStep): SweptStep {
  const removed = db.run(
    `DELETE FROM idempotency_keys WHERE (tenant_id, key) IN
       (SELECT tenant_id, key FROM idempotency_keys WHERE expires_at <= ? LIMIT ?)`,
    nowMs,
    batch,
  )
  return { removed, freed: [] }
}

export function getSetting(db: Database, name: string): string | undefined {
  return db.get<{ value: string }>('SELECT value FROM settings WHERE name = ?', name)?.value
}

export function setSetting(
  db: Database,
  { name, value }: { readonly name: string; readonly value: string },
): void {
  db.run('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)', name, value)
}

/** Up to where the journal has been taken in. */
export function journalPosition(db: Database): JournalPoint {
  const row = db.get<{ segment: number; position: number }>('SELECT segment, position FROM journal_position')
  return row ?? { segment: 0, position: 0 }
}
