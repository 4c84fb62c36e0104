import type { BlobHash, TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'

export function putBlobRefs(
  db: Database,
  tenantId: TenantId,
  owner: string,
  hashes: readonly BlobHash[],
): void {
  for (const hash of hashes) {
    db.run('INSERT OR IGNORE INTO blob_refs (hash, tenant_id, owner) VALUES (?, ?, ?)', hash, tenantId, owner)
  }
}

/** The blobs of this owner that nothing else needs. */
export function dropBlobRefs(db: Database, tenantId: TenantId, owner: string): BlobHash[] {
  const dropped = db.all<{ hash: BlobHash }>(
    'SELECT hash FROM blob_refs WHERE tenant_id = ? AND owner = ?',
    tenantId,
    owner,
  )
  db.run('DELETE FROM blob_refs WHERE tenant_id = ? AND owner = ?', tenantId, owner)
  return dropped.map((row) => row.hash).filter((hash) => !isReferenced(db, hash))
}

export function referencedBlobs(db: Database, hashes: readonly BlobHash[]): BlobHash[] {
  return hashes.filter((hash) => isReferenced(db, hash))
}

function isReferenced(db: Database, hash: BlobHash): boolean {
  return db.get('SELECT 1 FROM blob_refs WHERE hash = ? LIMIT 1', hash) !== undefined
}
