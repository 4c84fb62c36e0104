import { fail } from '../../model/errors.ts'
import { blobsOf, type ExecutionRecord } from '../../model/execution.ts'
import { type ExecutionStatus, isFinal } from '../../model/execution-status.ts'
import type { ExecutionId, TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'
import type { Accepted, IdempotencyClaim } from '../faces.ts'
import type { JournalPoint } from '../journal.ts'
import { dropBlobRefs, putBlobRefs } from './blob-refs.ts'

/** Records travel as the JSON they are kept as; only the store's thread takes them apart. */
type Body = string

interface Owned {
  readonly tenantId: TenantId
  readonly id: ExecutionId
}

export interface Acceptance {
  readonly body: Body
  readonly claim: IdempotencyClaim | undefined
  readonly nowMs: number
}

export function acceptExecution(db: Database, { body, claim, nowMs }: Acceptance): Accepted {
  const record = parseRecord(body)
  if (claim !== undefined) {
    const executionId = findClaim(db, {
      tenantId: record.tenantId,
      key: claim.key,
      fingerprint: claim.fingerprint,
      nowMs,
    })
    if (executionId !== undefined) return { outcome: 'repeated', executionId }
    db.run(
      `INSERT OR REPLACE INTO idempotency_keys (tenant_id, key, fingerprint, execution_id, expires_at)
       VALUES (?, ?, ?, ?, ?)`,
      record.tenantId,
      claim.key,
      claim.fingerprint,
      record.id,
      claim.expiresAt,
    )
  }
  if (revisionOf(db, record) !== undefined) {
    fail('conflict', { what: `execution "${record.id}"`, reason: 'exists' })
  }
  upsert(db, record, body)
  return { outcome: 'accepted' }
}

export interface ClaimQuery {
  readonly tenantId: TenantId
  readonly key: string
  readonly fingerprint: string
  readonly nowMs: number
}

export function findClaim(
  db: Database,
  { tenantId, key, fingerprint, nowMs }: ClaimQuery,
): ExecutionId | undefined {
  const found = db.get<{ fingerprint: string; executionId: ExecutionId }>(
    `SELECT fingerprint, execution_id AS executionId FROM idempotency_keys
     WHERE tenant_id = ? AND key = ? AND expires_at > ?`,
    tenantId,
    key,
    nowMs,
  )
  if (found !== undefined && found.fingerprint !== fingerprint) fail('idempotency_conflict', { key })
  return found?.executionId
}

export interface JournalBatch {
  readonly bodies: readonly Body[]
  /** Where the journal stood before these, and where it stands after them. */
  readonly from: JournalPoint
  readonly to: JournalPoint
}

/**
 * Batches come in the journal's order or not at all: one that follows a failed one is refused, or a crash would lose what
 * failed. Taking the same records in twice changes nothing: an equal or older revision never replaces one.
 */
export function takeInJournal(db: Database, { bodies, from, to }: JournalBatch): void {
  const reached = db.run(
    'UPDATE journal_position SET segment = ?, position = ? WHERE segment = ? AND position = ?',
    to.segment,
    to.position,
    from.segment,
    from.position,
  )
  if (reached === 0) throw new Error(`the journal is not taken in up to ${from.segment}:${from.position}`)
  for (const body of bodies) upsert(db, parseRecord(body), body)
}

export function commitExecution(db: Database, body: Body): void {
  const record = parseRecord(body)
  const stored = revisionOf(db, record)
  if (stored === undefined)
    fail('conflict', { what: `execution "${record.id}"`, reason: 'does not exist any more' })
  if (stored >= record.revision) {
    fail('conflict', { what: `execution "${record.id}"`, reason: 'has changed in the meantime' })
  }
  upsert(db, record, body)
}

export function getExecution(db: Database, { tenantId, id }: Owned): Body | undefined {
  return db.get<{ body: Body }>('SELECT body FROM executions WHERE tenant_id = ? AND id = ?', tenantId, id)
    ?.body
}

export interface ListQuery {
  readonly tenantId: TenantId
  readonly before: string
  readonly status: ExecutionStatus | undefined
  readonly limit: number
}

export function listExecutions(db: Database, { tenantId, before, status, limit }: ListQuery): Body[] {
  const rows =
    status === undefined
      ? db.all<{ body: Body }>(
          'SELECT body FROM executions WHERE tenant_id = ? AND id < ? ORDER BY id DESC LIMIT ?',
          tenantId,
          before,
          limit,
        )
      : db.all<{ body: Body }>(
          'SELECT body FROM executions WHERE tenant_id = ? AND status = ? AND id < ? ORDER BY id DESC LIMIT ?',
          tenantId,
          status,
          before,
          limit,
        )
  return rows.map((row) => row.body)
}

export function deleteExecution(db: Database, { tenantId, id }: Owned): boolean {
  const row = db.get<{ status: ExecutionStatus; blobs: number }>(
    'SELECT status, blob_count AS blobs FROM executions WHERE tenant_id = ? AND id = ?',
    tenantId,
    id,
  )
  if (row === undefined) return false
  if (!isFinal(row.status)) fail('execution_still_running', { id, status: row.status })
  if (row.blobs > 0) dropBlobRefs(db, tenantId, id)
  db.run('DELETE FROM executions WHERE tenant_id = ? AND id = ?', tenantId, id)
  return true
}

function upsert(db: Database, record: ExecutionRecord, body: Body): void {
  const stored = db.get<{ revision: number; blobs: number }>(
    'SELECT revision, blob_count AS blobs FROM executions WHERE tenant_id = ? AND id = ?',
    record.tenantId,
    record.id,
  )
  if (stored !== undefined && stored.revision >= record.revision) return
  const blobs = blobsOf(record)
  db.run(
    `INSERT INTO executions (tenant_id, id, server_id, status, is_final, revision, created_at, blob_count, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (tenant_id, id) DO UPDATE SET
       server_id = excluded.server_id, status = excluded.status, is_final = excluded.is_final,
       revision = excluded.revision, blob_count = excluded.blob_count, body = excluded.body`,
    record.tenantId,
    record.id,
    record.serverId,
    record.status,
    isFinal(record.status) ? 1 : 0,
    record.revision,
    record.createdAt,
    blobs.length,
    body,
  )
  if (stored !== undefined && stored.blobs > 0) dropBlobRefs(db, record.tenantId, record.id)
  if (blobs.length > 0) putBlobRefs(db, record.tenantId, record.id, blobs)
}

function revisionOf(db: Database, { tenantId, id }: Owned): number | undefined {
  return db.get<{ revision: number }>(
    'SELECT revision FROM executions WHERE tenant_id = ? AND id = ?',
    tenantId,
    id,
  )?.revision
}

function parseRecord(body: Body): ExecutionRecord {
  return JSON.parse(body)
}
