// Tenants: whose records, keys and sandboxes are kept apart. Needs a key with the scope `admin`.
import type { Tenant, TenantList, TenantRequest } from './generated/types.ts'
import { sendForJson } from './http.ts'
import type { Settings } from './options.ts'

export class Tenants {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  create(tenant: TenantRequest): Promise<Tenant> {
    return sendForJson(this.#settings, {
      method: 'POST',
      path: '/api/v1/tenants',
      body: tenant,
      repeatable: false,
    })
  }

  list(): Promise<TenantList> {
    return sendForJson(this.#settings, { method: 'GET', path: '/api/v1/tenants', repeatable: true })
  }
}
