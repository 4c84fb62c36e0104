// `cloche tenants create | list`.
import { connectWithKey } from '../connection.ts'
import type { ClientFlags } from '../flags.ts'
import { note, printJson, printResult, table } from '../output.ts'

export async function createTenant(name: string, flags: ClientFlags): Promise<void> {
  const tenant = await (await connectWithKey(flags)).tenants.create({ name })
  if (flags.json === true) return printJson(tenant)
  printResult(`${tenant.tenantId}\n`)
  note(`give it a key with: cloche keys create NAME --tenant ${tenant.tenantId}`)
}

export async function listTenants(flags: ClientFlags): Promise<void> {
  const list = await (await connectWithKey(flags)).tenants.list()
  if (flags.json === true) return printJson(list)
  const rows = list.tenants.map(({ tenantId, name, createdAt }) => [tenantId, name, createdAt])
  printResult(table(['ID', 'NAME', 'CREATED'], rows))
}
