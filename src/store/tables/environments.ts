import type { Environment } from '../../model/environment.ts'
import { fail } from '../../model/errors.ts'
import type { EnvironmentId, LayerHash, TenantId } from '../../model/ids.ts'
import type { Database } from '../database.ts'

interface Owned {
  readonly tenantId: TenantId
  readonly id: EnvironmentId
}

type Row = { readonly body: string } | undefined

export function createEnvironment(db: Database, environment: Environment): void {
  const { name, tenantId } = environment
  if (name !== null && environmentByName(db, { tenantId, name }) !== undefined) {
    fail('conflict', { what: `environment name "${name}"`, reason: 'is taken' })
  }
  db.run(
    `INSERT INTO environments (id, tenant_id, name, spec_hash, status, revision, layer, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    environment.id,
    tenantId,
    name,
    environment.specHash,
    environment.status,
    environment.revision,
    environment.layer,
    JSON.stringify(environment),
  )
}

export function updateEnvironment(db: Database, environment: Environment): void {
  const changed = db.run(
    `UPDATE environments SET status = ?, revision = ?, layer = ?, body = ?
     WHERE tenant_id = ? AND id = ? AND revision = ?`,
    environment.status,
    environment.revision,
    environment.layer,
    JSON.stringify(environment),
    environment.tenantId,
    environment.id,
    environment.revision - 1,
  )
  if (changed === 0) {
    fail('conflict', {
      what: `environment "${environment.name ?? environment.id}"`,
      reason: 'has changed in the meantime',
    })
  }
}

export function getEnvironment(db: Database, { tenantId, id }: Owned): Environment | undefined {
  return parse(db.get('SELECT body FROM environments WHERE tenant_id = ? AND id = ?', tenantId, id))
}

export function environmentByName(
  db: Database,
  { tenantId, name }: { readonly tenantId: TenantId; readonly name: string },
): Environment | undefined {
  return parse(db.get('SELECT body FROM environments WHERE tenant_id = ? AND name = ?', tenantId, name))
}

export function environmentBySpec(
  db: Database,
  { tenantId, specHash }: { readonly tenantId: TenantId; readonly specHash: LayerHash },
): Environment | undefined {
  return parse(
    db.get(
      'SELECT body FROM environments WHERE tenant_id = ? AND spec_hash = ? ORDER BY id DESC LIMIT 1',
      tenantId,
      specHash,
    ),
  )
}

export function listEnvironments(db: Database, tenantId: TenantId): Environment[] {
  return parseAll(
    db.all('SELECT body FROM environments WHERE tenant_id = ? ORDER BY name IS NULL, name, id', tenantId),
  )
}

export function deleteEnvironment(db: Database, { tenantId, id }: Owned): boolean {
  return db.run('DELETE FROM environments WHERE tenant_id = ? AND id = ?', tenantId, id) > 0
}

export function unbuiltEnvironments(db: Database): Environment[] {
  return parseAll(db.all("SELECT body FROM environments WHERE status IN ('pending', 'building') ORDER BY id"))
}

export function neededLayers(db: Database): LayerHash[] {
  return db
    .all<{ layer: LayerHash }>('SELECT DISTINCT layer FROM environments WHERE layer IS NOT NULL')
    .map((row) => row.layer)
}

function parse(row: Row): Environment | undefined {
  return row && JSON.parse(row.body)
}

function parseAll(rows: Row[]): Environment[] {
  return rows.flatMap((row) => parse(row) ?? [])
}
