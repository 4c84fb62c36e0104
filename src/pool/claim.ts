import type { TenantId } from '../model/ids.ts'
import type { Limits, NetworkKind, RuntimeName, Sandbox, SandboxSpec } from '../sandbox/driver.ts'

export type StartKind = 'standby' | 'fork' | 'cold' | 'warm'

export interface ClaimRequest {
  readonly tenantId: TenantId
  readonly runtime: RuntimeName
  /** None or one environment's layer. */
  readonly layers: readonly string[]
  readonly limits: Limits
  readonly network: NetworkKind
  readonly mode: 'ephemeral' | 'cached'
  /** What else must be equal for a warm sandbox to be used again, such as the network policy. */
  readonly affinity?: string
}

export interface Lease {
  readonly sandbox: Sandbox
  readonly startKind: StartKind
  /** Waiting for a place, and then for the sandbox to be made or fitted. */
  readonly queueMs: number
  readonly startMs: number
  /**
   * Gives the sandbox back; what happens to it then happens later. `reuse` keeps it for this tenant if the claim was of mode
   * `cached` and it can be reset. Only the first call counts.
   */
  release(outcome: 'reuse' | 'destroy'): void
}

export function specOf(
  kind: Pick<SandboxSpec, 'runtime' | 'layers' | 'network'>,
  limits: Limits,
): SandboxSpec {
  return { runtime: kind.runtime, layers: kind.layers, limits, network: kind.network }
}

/** Two claims may share a sandbox one after the other only if these are equal. Unambiguous whatever the parts hold. */
export function warmKey(request: ClaimRequest): string {
  const { tenantId, runtime, layers, network, affinity = '' } = request
  return JSON.stringify([tenantId, runtime, layers, network, affinity, limitsKey(request.limits)])
}

export function limitsKey(limits: Limits): string {
  const { memoryBytes, cpuMillis, pids, diskBytes, inodes, readBps, writeBps, readIops, writeIops } = limits
  return [memoryBytes, cpuMillis, pids, diskBytes, inodes, readBps, writeBps, readIops, writeIops].join('/')
}
