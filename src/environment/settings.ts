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
  /** For sets that do not say: whether packages may run code of their own while they are installed. */
  readonly allowInstallScripts: boolean
  /** Of the sandbox that builds. What it writes lies in its memory, so the disk limit is part of the memory limit. */
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
