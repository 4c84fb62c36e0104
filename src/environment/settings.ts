import type { Limits } from '../sandbox/driver.ts'
import type { LayerLimits } from './layer-writer.ts'
import type { SourceSettings } from './package-sources.ts'

export interface EnvironmentSettings extends SourceSettings {
  /** Where the driver finds layers. */
  readonly layersFolder: string
  /** Build logs, one file for each layer hash. */
  readonly logsFolder: string
  /** Identifies the base tree: packages fit the interpreters they were installed by. */
  readonly base: string
  /** Of the sandbox that builds. */
  readonly limits: Limits
  readonly layer: LayerLimits
  readonly buildTimeoutMs: number
  readonly buildsAtOnce: number
  readonly buildsWaiting: number
  /** Environments of one tenant, inline ones included. */
  readonly perTenant: number
  /** A failed inline environment is built again when asked for after this time. */
  readonly retryAfterMs: number
}

const MIB = 1024 ** 2
const GIB = 1024 ** 3

type Own = Pick<EnvironmentSettings, 'layersFolder' | 'logsFolder' | 'base'>

/** What a sandbox writes lies in its memory, so the disk limit is part of the memory limit. */
export function defaultEnvironmentSettings(
  own: Own & Partial<SourceSettings>,
  machineMemoryBytes: number,
): EnvironmentSettings {
  const memoryBytes = Math.max(256 * MIB, Math.min(3 * GIB, Math.floor(machineMemoryBytes / 2)))
  const diskBytes = Math.floor((memoryBytes * 2) / 3)
  return {
    pipIndexUrl: null,
    npmRegistry: null,
    indexHosts: [],
    ...own,
    limits: { memoryBytes, cpuMillis: 2000, pids: 256, diskBytes, inodes: 262_144 },
    layer: { bytes: diskBytes, entries: 200_000 },
    buildTimeoutMs: 600_000,
    buildsAtOnce: 2,
    buildsWaiting: 64,
    perTenant: 100,
    retryAfterMs: 60_000,
  }
}
