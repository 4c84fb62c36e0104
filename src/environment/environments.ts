/*
 * environment: sets of pip and npm packages, built once per content into read-only layers that executions see at /opt/env.
 *
 * Guarantees: a set is built at most once per tenant, base tree and content, however many ask at the same moment; packages
 * are installed inside a sandbox, whose output is treated as hostile: what comes out is only folders, plain files and links
 * that stay inside, below ceilings of count and size, and a layer appears complete and durable or not at all. Tenants never
 * share a layer. Every failed build says what stood in the way and what would help.
 * Does not: change a layer once made, run packages' install scripts unless asked to, or decide who may use a name.
 */
import type { Environment, EnvironmentSpec } from '../model/environment.ts'
import type { EnvironmentId, LayerHash, TenantId } from '../model/ids.ts'

export type EnvironmentChoice = { readonly name: string } | { readonly spec: EnvironmentSpec }

/** What an execution needs of an environment. */
export interface FittedEnvironment {
  readonly id: EnvironmentId
  readonly layer: LayerHash
}

export interface Environments {
  /** A named one: on record durably, its build begun. `conflict` when the name is taken by another set. */
  create(tenantId: TenantId, name: string, spec: EnvironmentSpec): Promise<Environment>
  list(tenantId: TenantId): Promise<Environment[]>
  /** By name; fails with `environment_unknown`. */
  get(tenantId: TenantId, name: string): Promise<Environment>
  /** False if there is none. Its layer goes when no other record needs it. */
  delete(tenantId: TenantId, name: string): Promise<boolean>
  /** Fails with `environment_unknown`; for an inline one it only makes sure that there is a record. */
  find(tenantId: TenantId, choice: EnvironmentChoice): Promise<EnvironmentId>
  /** Waits while an inline one is built. Fails with `environment_not_ready` or `environment_build_failed`. */
  fit(tenantId: TenantId, id: EnvironmentId, signal: AbortSignal): Promise<FittedEnvironment>
}
