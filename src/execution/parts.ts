import type { Blobs } from '../blobs/blobs.ts'
import type { Egress } from '../egress/egress.ts'
import type { EnvironmentSpec } from '../model/environment.ts'
import type { EnvironmentId, KeyId, LayerHash, ServerId, TenantId } from '../model/ids.ts'
import type { Pool } from '../pool/pool.ts'
import type { Clock } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Metrics } from '../std/metrics.ts'
import type { Store } from '../store/faces.ts'
import type { DispatcherSettings } from './dispatcher.ts'
import type { StreamLimits } from './stream-store.ts'

/** Who sent the request: its records are theirs. */
export interface Caller {
  readonly tenantId: TenantId
  readonly keyId: KeyId | null
}

/** What an execution needs of an environment. */
export interface FittedEnvironment {
  readonly id: EnvironmentId
  readonly layer: LayerHash
}

export interface EnvironmentSource {
  /** Fails with `environment_unknown`; for an inline one it only makes sure that there is a record. */
  find(tenantId: TenantId, choice: EnvironmentChoice): Promise<EnvironmentId>
  /** Waits while an inline one is built. Fails with `environment_not_ready` or `environment_build_failed`. */
  fit(tenantId: TenantId, id: EnvironmentId, signal: AbortSignal): Promise<FittedEnvironment>
}

export type EnvironmentChoice = { readonly name: string } | { readonly spec: EnvironmentSpec }

export interface ExecutionSettings {
  readonly outputs: StreamLimits
  /** All output files of one execution together. */
  readonly outputFilesBytes: number
  /** Files and folders one sandbox may have, for each MiB of its disk. */
  readonly inodesPerMib: number
  /** Executions of one tenant that have not ended, accepted ones included. */
  readonly perTenant: number
  readonly idempotencyMs: number
  readonly dispatcher: DispatcherSettings
  /** Folder for output that is too large for memory. */
  readonly spoolFolder: string
  /** What decides results beside requests: the base tree. */
  readonly platformFingerprint: string
}

export interface ExecutionParts {
  readonly settings: ExecutionSettings
  readonly serverId: ServerId
  readonly store: Store
  readonly blobs: Blobs
  readonly pool: Pick<Pool, 'claim'>
  readonly egress: Pick<Egress, 'serve'>
  readonly environments: EnvironmentSource
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}
