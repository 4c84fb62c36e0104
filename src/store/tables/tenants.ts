import { fail } from '../../model/errors.ts'
import type { TenantId } from '../../model/ids.ts'
import type { Tenant } from '../../model/tenant.ts'
import type { Database } from '../database.ts'

const COLUMNS = 'id, name, created_at AS createdAt'

export function createTenant(db: Database, tenant: Tenant): void {
  const taken = db.get('SELECT 1 FROM tenants WHERE name = ?', tenant.name)
  if (taken) fail('conflict', { what: `tenant name "${tenant.name}"`, reason: 'is taken' })
  db.run(
    'INSERT INTO tenants (id, name, created_at) VALUES (?, ?, ?)',
    tenant.id,
    tenant.name,
    tenant.createdAt,
  )
}

export function getTenant(db: Database, id: TenantId): Tenant | undefined {
  return db.get<Tenant>(`SELECT ${COLUMNS} FROM tenants WHERE id = ?`, id)
}

export function tenantByName(db: Database, name: string): Tenant | undefined {
  return db.get<Tenant>(`SELECT ${COLUMNS} FROM tenants WHERE name = ?`, name)
}

export function listTenants(db: Database): Tenant[] {
  return db.all<Tenant>(`SELECT ${COLUMNS} FROM tenants ORDER BY id`)
}
