import type { ErrorCode } from './errors.ts'
import type { EnvironmentId, LayerHash, TenantId } from './ids.ts'

/** Packages by language, each as its package tool takes it (`requests==2.32.3`, `lodash@4`). */
export interface EnvironmentSpec {
  readonly python?: { readonly packages: readonly string[] }
  readonly node?: { readonly packages: readonly string[] }
  /** Packages may run code of their own while they are installed, which some need to be built at all. */
  readonly allowInstallScripts?: boolean
}

/**
 * pending   on record, not begun
 * building  a sandbox is installing the packages
 * ready     its layer exists and executions can use it
 * failed    the build ended without a layer; the error says why, building again is allowed
 */
export const ENVIRONMENT_STATUSES = ['pending', 'building', 'ready', 'failed'] as const
export type EnvironmentStatus = (typeof ENVIRONMENT_STATUSES)[number]

export const ENVIRONMENT_TRANSITIONS: Readonly<Record<EnvironmentStatus, readonly EnvironmentStatus[]>> = {
  pending: ['building', 'ready', 'failed'],
  // Back to pending at a start, for what a dead server was building.
  building: ['ready', 'failed', 'pending'],
  ready: [],
  failed: ['building', 'ready'],
}

export interface Environment {
  readonly id: EnvironmentId
  readonly tenantId: TenantId
  /** null for one given inline with a request. */
  readonly name: string | null
  readonly spec: EnvironmentSpec
  /** What the layer is built from, base tree included: equal specs of one tenant share a layer. */
  readonly specHash: LayerHash
  readonly status: EnvironmentStatus
  readonly revision: number
  /** The layer folder, once ready. */
  readonly layer: LayerHash | null
  readonly layerBytes: number | null
  readonly buildMs: number | null
  readonly error: { readonly code: ErrorCode; readonly detail: string } | null
  readonly createdAt: number
  readonly updatedAt: number
}

export type EnvironmentChanges = Partial<Pick<Environment, 'layer' | 'layerBytes' | 'buildMs' | 'error'>>

export function transitionEnvironment(
  environment: Environment,
  to: EnvironmentStatus,
  nowMs: number,
  changes: EnvironmentChanges = {},
): Environment {
  if (!ENVIRONMENT_TRANSITIONS[environment.status].includes(to)) {
    throw new Error(`environment ${environment.id} is ${environment.status}, which ${to} cannot follow`)
  }
  return { ...environment, ...changes, status: to, updatedAt: nowMs, revision: environment.revision + 1 }
}
