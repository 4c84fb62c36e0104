import type { TenantId } from './ids.ts'

/** Whoever owns records. Every record belongs to exactly one tenant and is reached only with its id. */
export interface Tenant {
  readonly id: TenantId
  /** Unique, for people; see `isName`. */
  readonly name: string
  readonly createdAt: number
}

/** The tenant a first start creates. */
export const DEFAULT_TENANT_NAME = 'default'

const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/

/** Names of tenants and environments: 1 to 63 of a-z 0-9 . _ - with a letter or digit at both ends. */
export function isName(text: string): boolean {
  return NAME.test(text)
}

export const NAME_RULE = '1 to 63 characters a-z, 0-9, ".", "_", "-", with a letter or digit at both ends'
