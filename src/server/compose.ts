import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Api, createApi } from '../api/api.ts'
import { openBlobFolder } from '../blobs/folder.ts'
import { Egress } from '../egress/egress.ts'
import { openEnvironments } from '../environment/open-environments.ts'
import { Executions } from '../execution/executions.ts'
import { ClocheError } from '../model/errors.ts'
import { newServerId } from '../model/ids.ts'
import { Pool } from '../pool/pool.ts'
import type { RuntimeName } from '../sandbox/driver.ts'
import { NativeDriver } from '../sandbox/native/driver.ts'
import { systemClock } from '../std/clock.ts'
import { createLog, type Log } from '../std/log.ts'
import { Metrics } from '../std/metrics.ts'
import { openStore } from '../store/store.ts'
import { type BaseTree, currentBaseTree } from './base-tree.ts'
import { prepareFirstStart } from './first-start.ts'
import { startHousekeeping } from './housekeeping.ts'
import { registerServerMetrics } from './server-metrics.ts'
import type { Config } from './settings.ts'
import { apiSettings, environmentSettings, executionSettings, poolSettings } from './tuning.ts'
import { Undo } from './undo.ts'

export interface Composed {
  readonly url: string
  readonly api: Api
  readonly log: Log
  /** Only at a data folder's first start: where the admin key was written. */
  readonly adminKeyPath: string | undefined
  /** Rejects when the server can no longer work. */
  readonly broken: Promise<never>
  /** Takes everything down in reverse order, within the deadline. */
  stop(): Promise<void>
}

const RUNTIMES: readonly RuntimeName[] = ['bare', 'python', 'node']

/**
 * Wires everything, in the order in which each part needs the ones before it:
 * folders → store (which is also the data folder's lock) → blobs → base tree and driver → pool → egress → environments →
 * executions (which takes over what a dead server left) → api → the open door. Whatever has been started is taken down
 * in reverse, at the end or when a later step fails.
 */
export async function compose(config: Config): Promise<Composed> {
  const clock = systemClock
  const log = createLog(config['log.level'], (line) => process.stderr.write(line))
  const metrics = new Metrics()
  const undo = new Undo(log)
  try {
    const folders = makeFolders(config)
    const store = await openStore(join(config.data, 'cloche.db'))
    undo.add('store', () => store.close())
    const adminKeyPath = await prepareFirstStart(store, config.data)
    const blobs = await openBlobFolder(folders.blobs)
    const base = currentBaseTree(config['base.dir'])
    const driver = await startDriver(config, folders, base, log)
    undo.add('driver', () => driver.close())
    const pool = new Pool(driver, poolSettings(config), {
      onProblem: (what, error) => log.warn(what, { error }),
    })
    undo.add('pool', () => pool.close())
    // without standby too: it also lets warm sandboxes go and watches the memory
    pool.start(config['pool.standby'] ? RUNTIMES : [])
    const egress = new Egress({ settings: egressSettings(config), clock, log, metrics })
    const environments = await openEnvironments({
      settings: environmentSettings(config, folders, base),
      ...{ store, driver, egress, clock, log, metrics },
    })
    undo.add('environments', () => environments.close())
    const executions = new Executions({
      settings: executionSettings(config, folders.spool, `${base.hash}`),
      serverId: newServerId(clock.now()),
      ...{ store, blobs, pool, egress, environments, clock, log, metrics },
    })
    await executions.start()
    undo.add('executions', () => executions.close(AbortSignal.timeout(config['shutdown.drain'])))
    const housekeeping = startHousekeeping({
      ...{ store, blobs, clock, log },
      limits: { maxAgeMs: config['retention.age'], maxCount: config['retention.count'] },
      intervalMs: config['retention.interval'],
    })
    undo.add('housekeeping', () => housekeeping.stop())
    registerServerMetrics(metrics, { pool, driver, store })
    const api = createApi({
      settings: apiSettings(config),
      ...{ executions, environments, store, blobs, clock, log, metrics },
      version: {
        version: packageVersion(),
        api: 'v1',
        node: process.version,
        base: base.hash,
        driver: driver.name,
      },
      readiness: async () => readinessOf(await driver.availability()),
    })
    const address = await api.listen(config.port, config.host)
    const url = `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
    const endpointFile = join(folders.run, 'endpoint')
    writeFileSync(endpointFile, `${url}\n`, { mode: 0o600 })
    undo.add('endpoint', async () => rmSync(endpointFile, { force: true }))
    const stop = () => stopInOrder(api, undo, config)
    return { url, api, log, adminKeyPath, broken: store.broken.then((error) => Promise.reject(error)), stop }
  } catch (error) {
    await undo.run()
    throw error
  }
}

/** The door closes first; runs end or are ended; then everything goes in reverse. */
async function stopInOrder(api: Api, undo: Undo, config: Config): Promise<void> {
  const answered = api.close()
  const hangUp = setTimeout(() => api.hangUp(), config['shutdown.drain'] + HANG_UP_AFTER_MS)
  await undo.run()
  await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, HANG_UP_AFTER_MS))])
  clearTimeout(hangUp)
  api.hangUp()
  await answered
}

/** For the last answers to leave after the last run has ended. */
const HANG_UP_AFTER_MS = 1000

export interface Folders {
  readonly blobs: string
  readonly run: string
  readonly layers: string
  readonly buildLogs: string
  readonly spool: string
}

function makeFolders(config: Config): Folders {
  const folders = {
    blobs: join(config.data, 'blobs'),
    run: join(config.data, 'run'),
    layers: join(config.data, 'layers'),
    buildLogs: join(config.data, 'build-logs'),
    spool: join(config.data, 'spool'),
  }
  mkdirSync(config.data, { recursive: true, mode: 0o755 })
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folders
}

async function startDriver(
  config: Config,
  folders: Folders,
  base: BaseTree,
  log: Log,
): Promise<NativeDriver> {
  const reserve = config['pool.memoryReserve']
  const driver = new NativeDriver({
    launcher: join(config['build.dir'], 'launcher'),
    runDir: folders.run,
    baseRoot: base.root,
    guestDir: join(config['build.dir'], 'guest'),
    layersDir: folders.layers,
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    cgroup: cgroupName(config.data),
    ...(reserve > 0 ? { memoryReserveBytes: reserve } : {}),
    onLine: (line) => log.info('launcher', { line }),
  })
  const availability = await driver.availability()
  if (!availability.available) {
    await driver.close()
    const { reason, remedy } = availability
    throw new ClocheError('sandbox_unavailable', { driver: driver.name, reason: `${reason}; ${remedy}` })
  }
  return driver
}

/** Two servers on one machine have different data folders, and so different groups. */
function cgroupName(dataDir: string): string {
  return `cloche-${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`
}

function egressSettings(config: Config) {
  return {
    allowPrivate: config['egress.allowPrivate'],
    nameServers: config['egress.nameServers'],
    maxConnections: config['egress.connections'],
    bytesPerSecond: config['egress.bandwidth'],
    connectTimeoutMs: config['egress.connectTimeout'],
  }
}

function readinessOf(availability: Awaited<ReturnType<NativeDriver['availability']>>) {
  return availability.available
    ? { ready: true as const }
    : { ready: false as const, reason: availability.reason }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const json: unknown = JSON.parse(text)
  return typeof json === 'object' && json !== null && 'version' in json ? String(json.version) : 'unknown'
}
