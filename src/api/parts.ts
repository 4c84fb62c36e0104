import type { Blobs } from '../blobs/blobs.ts'
import type { Environments } from '../environment/environments.ts'
import type { Executions } from '../execution/executions.ts'
import type { Caller } from '../execution/parts.ts'
import { fail } from '../model/errors.ts'
import type { Clock } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Metrics } from '../std/metrics.ts'
import type { Store } from '../store/faces.ts'
import type { Ceilings } from './from-body.ts'
import type { KernelSettings } from './kernel/kernel.ts'
import type { Context } from './kernel/route.ts'
import type { UploadLimits } from './multipart.ts'

export interface ApiSettings extends KernelSettings {
  readonly ceilings: Ceilings
  readonly uploads: Omit<UploadLimits, 'body'>
  readonly stream: StreamSettings
}

export interface StreamSettings {
  readonly heartbeatMs: number
  /** One WebSocket message of a caller. */
  readonly messageBytes: number
  /** Output that may wait unsent in a connection before more is read from the program's log. */
  readonly unsentBytes: number
  /** The first message must be there by then. */
  readonly firstMessageMs: number
  readonly maxConnections: number
}

export interface VersionFacts {
  readonly version: string
  readonly api: string
  readonly [fact: string]: string
}

/** What the server can say of itself to a load balancer. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string }

export interface ApiParts {
  readonly settings: ApiSettings
  readonly executions: Executions
  readonly environments: Environments
  readonly store: Store
  readonly blobs: Blobs
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly version: VersionFacts
  readonly readiness: () => Promise<Readiness>
}

/** The key's owner; only routes with a scope have one. */
export function callerOf(context: Pick<Context, 'caller'>): Caller {
  const { caller } = context
  if (caller === undefined) fail('unauthorized', { reason: 'missing' })
  return { tenantId: caller.tenantId, keyId: caller.id }
}
