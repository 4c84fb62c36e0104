import type { ApiKey } from '../../model/api-key.ts'
import type { KeyId, TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'

type KeyRow = Omit<ApiKey, 'scopes'> & { readonly scopes: string }

const COLUMNS = `id, tenant_id AS tenantId, name, prefix, scopes, rate_per_minute AS ratePerMinute, created_at AS createdAt,
  expires_at AS expiresAt, revoked_at AS revokedAt, last_used_at AS lastUsedAt`

export function createKey(
  db: Database,
  { key, hash }: { readonly key: ApiKey; readonly hash: string },
): void {
  db.run(
    `INSERT INTO keys (id, tenant_id, hash, name, prefix, scopes, rate_per_minute, created_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    key.id,
    key.tenantId,
    hash,
    key.name,
    key.prefix,
    JSON.stringify(key.scopes),
    key.ratePerMinute,
    key.createdAt,
    key.expiresAt,
  )
}

/**
 * The look-up goes by the hash of a secret of 256 random bits: how long it takes tells at most something about hashes,
 * from which no secret can be found.
 */
export function keyByHash(db: Database, hash: string): ApiKey | undefined {
  return fromRow(db.get<KeyRow>(`SELECT ${COLUMNS} FROM keys WHERE hash = ?`, hash))
}

interface OwnedKey {
  readonly tenantId: TenantId
  readonly id: KeyId
}

export function getKey(db: Database, { tenantId, id }: OwnedKey): ApiKey | undefined {
  return fromRow(db.get<KeyRow>(`SELECT ${COLUMNS} FROM keys WHERE tenant_id = ? AND id = ?`, tenantId, id))
}

export function listKeys(db: Database, tenantId: TenantId): ApiKey[] {
  return db
    .all<KeyRow>(`SELECT ${COLUMNS} FROM keys WHERE tenant_id = ? ORDER BY id`, tenantId)
    .flatMap((row) => fromRow(row) ?? [])
}

export function revokeKey(db: Database, given: OwnedKey & { readonly nowMs: number }): ApiKey | undefined {
  db.run(
    'UPDATE keys SET revoked_at = ? WHERE tenant_id = ? AND id = ? AND revoked_at IS NULL',
    given.nowMs,
    given.tenantId,
    given.id,
  )
  return getKey(db, given)
}

export function touchKeys(
  db: Database,
  uses: readonly { readonly id: KeyId; readonly atMs: number }[],
): void {
  for (const { id, atMs } of uses) db.run('UPDATE keys SET last_used_at = ? WHERE id = ?', atMs, id)
}

function fromRow(row: KeyRow | undefined): ApiKey | undefined {
  return row && { ...row, scopes: JSON.parse(row.scopes) }
}
