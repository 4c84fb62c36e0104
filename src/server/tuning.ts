import { availableParallelism } from 'node:os'
import type { ApiSettings } from '../api/parts.ts'
import type { EnvironmentSettings } from '../environment/settings.ts'
import type { ExecutionSettings } from '../execution/parts.ts'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { readMachineMemory } from '../pool/memory.ts'
import { defaultPoolSettings, type PoolSettings } from '../pool/settings.ts'
import type { Limits } from '../sandbox/driver.ts'
import type { BaseTree } from './base-tree.ts'
import type { Config } from './settings.ts'

/* The settings an operator gives, as the settings each module takes. */

const MIB = 1024 ** 2
const NONE = { min: 0, max: 0 } as const

export function poolSettings(config: Config): PoolSettings {
  const inodes = Math.max(1024, Math.round((DEFAULT_LIMITS.diskBytes / MIB) * config['limits.inodesPerMib']))
  const limits: Limits = { ...DEFAULT_LIMITS, inodes }
  const fitting = defaultPoolSettings(readMachineMemory(), availableParallelism(), limits)
  const maxSandboxes = config['pool.maxSandboxes'] || fitting.maxSandboxes
  return {
    ...fitting,
    maxSandboxes,
    queueLimit: config['pool.queue'] || 2 * maxSandboxes,
    queueDeadlineMs: config['pool.queueTimeout'],
    memoryReserveBytes: config['pool.memoryReserve'] || fitting.memoryReserveBytes,
    warm: { ...fitting.warm, idleMs: config['pool.warmIdle'] },
    ...(config['pool.standby'] ? {} : { standby: { bare: NONE, python: NONE, node: NONE } }),
    // Executions have been ended before the pool is closed.
    drainMs: 1000,
  }
}

export function executionSettings(
  config: Config,
  spoolFolder: string,
  platformFingerprint: string,
): ExecutionSettings {
  return {
    outputs: { memoryBytes: config['limits.outputMemory'], keptBytes: config['limits.output'] },
    outputFilesBytes: config['limits.outputFiles'],
    inodesPerMib: config['limits.inodesPerMib'],
    perTenant: config['limits.perTenant'],
    idempotencyMs: config['idempotency.keep'],
    dispatcher: {
      concurrency: config['async.concurrency'],
      firstRetryMs: config['async.firstRetry'],
      longestRetryMs: config['async.longestRetry'],
    },
    spoolFolder,
    platformFingerprint,
  }
}

export function environmentSettings(
  config: Config,
  folders: { readonly layers: string; readonly buildLogs: string },
  base: Pick<BaseTree, 'hash'>,
): EnvironmentSettings {
  const diskBytes = config['environments.disk']
  return {
    layersFolder: folders.layers,
    logsFolder: folders.buildLogs,
    base: base.hash,
    pipIndexUrl: config['environments.pipIndexUrl'] || null,
    npmRegistry: config['environments.npmRegistry'] || null,
    indexHosts: config['environments.indexHosts'],
    allowInstallScripts: config['environments.installScripts'],
    limits: {
      memoryBytes: config['environments.memory'] + diskBytes,
      cpuMillis: availableParallelism() * 1000,
      pids: 256,
      diskBytes,
      inodes: 2 * config['environments.files'] + 10_000,
    },
    layer: { bytes: config['environments.layer'], entries: config['environments.files'] },
    buildTimeoutMs: config['environments.timeout'],
    buildsAtOnce: config['environments.concurrency'],
    buildsWaiting: 64,
    perTenant: config['environments.perTenant'],
    retryAfterMs: config['environments.retryAfter'],
  }
}

export function apiSettings(config: Config): ApiSettings {
  return {
    body: {
      maxBytes: config['limits.body'],
      idleMs: config['http.bodyIdleTimeout'],
      totalMs: config['http.bodyTimeout'],
    },
    headersMs: config['http.headersTimeout'],
    keepAliveMs: config['http.keepAlive'],
    slowReaderMs: config['http.slowReaderTimeout'],
    cors: config['http.cors'],
    ceilings: {
      limits: {
        cpuMillis: Math.round(config['limits.cpuCores'] * 1000),
        memoryBytes: config['limits.memory'],
        diskBytes: config['limits.disk'],
        pids: config['limits.pids'],
      },
      timeoutMs: config['limits.timeout'],
    },
    uploads: {
      fileBytes: config['limits.uploadFile'],
      totalBytes: config['limits.upload'],
      totalMs: config['http.uploadTimeout'],
    },
    stream: {
      heartbeatMs: config['http.heartbeat'],
      messageBytes: config['limits.body'],
      unsentBytes: 256 * 1024,
      firstMessageMs: config['http.bodyIdleTimeout'],
      maxConnections: config['http.streams'],
    },
  }
}
