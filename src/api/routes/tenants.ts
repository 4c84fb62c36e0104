import { isName, NAME_RULE, type Tenant } from '../../model/tenant.ts'
import { isoTime } from '../answer.ts'
import { type Route, route } from '../kernel/route.ts'
import type { ApiParts } from '../parts.ts'
import { tenant, tenantList } from '../schema/answers.ts'
import { named, object, string, where } from '../schema/schema.ts'

/** Of tenants and environments. */
export const nameSchema = where(string({ maxLength: 63, description: NAME_RULE }), (text) =>
  isName(text) ? undefined : `must be ${NAME_RULE}`,
)

const tenantRequest = named('TenantRequest', object({ name: nameSchema }))

export function tenantRoutes({ store }: ApiParts): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/tenants',
      summary: 'Make a tenant.',
      tag: 'tenants',
      scope: 'admin',
      body: tenantRequest,
      answers: { 201: { description: 'The tenant.', schema: tenant } },
      handle: async (context) => ({
        status: 201,
        json: shownTenant(await store.tenants.create(context.body.name)),
      }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/tenants',
      summary: 'All tenants.',
      tag: 'tenants',
      scope: 'admin',
      answers: { 200: { description: 'All of them.', schema: tenantList } },
      handle: async () => ({ status: 200, json: { tenants: (await store.tenants.list()).map(shownTenant) } }),
    }),
  ]
}

function shownTenant(one: Tenant): Record<string, unknown> {
  return { tenantId: one.id, name: one.name, createdAt: isoTime(one.createdAt) }
}
