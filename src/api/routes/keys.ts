import { type ApiKey, allows, keyState, SCOPES, type Scope } from '../../model/api-key.ts'
import { ClocheError, fail } from '../../model/errors.ts'
import { isKeyId, isTenantId, type TenantId } from '../../model/ids.ts'
import { isoTime } from '../answer.ts'
import { type Context, type Route, route } from '../kernel/route.ts'
import type { ApiParts } from '../parts.ts'
import { key, keyList, newKey } from '../schema/answers.ts'
import {
  array,
  integer,
  named,
  nullable,
  number,
  object,
  oneOf,
  optional,
  type Static,
  string,
} from '../schema/schema.ts'

const keyRequest = named(
  'KeyRequest',
  object({
    name: string({ minLength: 1, maxLength: 100 }),
    scopes: optional(
      array(oneOf(SCOPES), { minItems: 1, maxItems: SCOPES.length, description: 'Default: execute.' }),
    ),
    ratePerMinute: optional(
      nullable(number({ minimum: 0.01, maximum: 1_000_000, description: 'null: no limit.' })),
    ),
    expiresInMs: optional(integer({ minimum: 1000, maximum: 10 * 365 * 86_400_000 })),
    tenantId: optional(
      string({ maxLength: 64, description: 'Another tenant than the own one: only for admins.' }),
    ),
  }),
)

const tenantQuery = optional(string({ maxLength: 64, description: 'Another tenant: only for admins.' }))

export function keyRoutes(parts: ApiParts): Route[] {
  const { store, clock } = parts
  return [
    route({
      method: 'POST',
      path: '/api/v1/keys',
      summary: 'Make a key. It is shown in this answer and never again.',
      tag: 'keys',
      scope: 'manage',
      body: keyRequest,
      answers: { 201: { description: 'The key.', schema: newKey } },
      handle: async (context) => {
        const caller = callerKey(context)
        const wanted = wantedKey(context.body)
        refuseMore(caller, wanted.scopes)
        const tenantId = await tenantFor(parts, caller, context.body.tenantId)
        const { expiresInMs } = context.body
        const expiresAt = expiresInMs === undefined ? null : clock.now() + expiresInMs
        const made = await store.keys.create(tenantId, { ...wanted, expiresAt })
        return { status: 201, json: { key: made.secret, ...shownKey(made.key, clock.now()) } }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/keys',
      summary: 'The keys of the tenant, without their secrets.',
      tag: 'keys',
      scope: 'manage',
      query: { tenantId: tenantQuery },
      answers: { 200: { description: 'All of them.', schema: keyList } },
      handle: async (context) => {
        const tenantId = await tenantFor(parts, callerKey(context), context.query.tenantId)
        const keys = await store.keys.list(tenantId)
        return { status: 200, json: { keys: keys.map((one) => shownKey(one, clock.now())) } }
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/keys/{id}',
      summary: 'Revoke a key, at once.',
      tag: 'keys',
      scope: 'manage',
      query: { tenantId: tenantQuery },
      answers: { 200: { description: 'The revoked key.', schema: key } },
      handle: async (context) => {
        const id = context.params['id'] ?? ''
        const tenantId = await tenantFor(parts, callerKey(context), context.query.tenantId)
        const revoked = isKeyId(id) ? await store.keys.revoke(tenantId, id) : undefined
        if (revoked === undefined) return fail('not_found', { what: 'key', id: id.slice(0, 100) })
        return { status: 200, json: shownKey(revoked, clock.now()) }
      },
    }),
  ]
}

function wantedKey(body: Static<typeof keyRequest>): {
  name: string
  scopes: readonly Scope[]
  ratePerMinute: number | null
} {
  return {
    name: body.name,
    scopes: [...new Set<Scope>(body.scopes ?? ['execute'])],
    ratePerMinute: body.ratePerMinute ?? null,
  }
}

/** Nobody gives away more than they have. */
function refuseMore(caller: ApiKey, scopes: readonly Scope[]): void {
  const tooMuch = scopes.find((scope) => !allows(caller, scope))
  if (tooMuch !== undefined) fail('forbidden', { neededScope: tooMuch })
}

async function tenantFor({ store }: ApiParts, caller: ApiKey, wanted: string | undefined): Promise<TenantId> {
  if (wanted === undefined || wanted === caller.tenantId) return caller.tenantId
  if (!allows(caller, 'admin')) fail('forbidden', { neededScope: 'admin' })
  const tenant = isTenantId(wanted) ? await store.tenants.get(wanted) : undefined
  return tenant?.id ?? fail('not_found', { what: 'tenant', id: wanted })
}

function callerKey(context: Pick<Context, 'caller'>): ApiKey {
  if (context.caller === undefined) throw new ClocheError('unauthorized', { reason: 'missing' })
  return context.caller
}

function shownKey(one: ApiKey, nowMs: number): Record<string, unknown> {
  return {
    keyId: one.id,
    tenantId: one.tenantId,
    name: one.name,
    prefix: one.prefix,
    scopes: one.scopes,
    ratePerMinute: one.ratePerMinute,
    state: keyState(one, nowMs),
    createdAt: isoTime(one.createdAt),
    expiresAt: isoTime(one.expiresAt),
    revokedAt: isoTime(one.revokedAt),
    lastUsedAt: isoTime(one.lastUsedAt),
  }
}
