/**
 * Environments on the real platform: packages of a local index are installed in real sandboxes, through the egress proxy,
 * and imported by others.
 */
import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Egress } from '../../src/egress/egress.ts'
import type { Environments } from '../../src/environment/environments.ts'
import { openEnvironments } from '../../src/environment/open-environments.ts'
import type { EnvironmentSettings } from '../../src/environment/settings.ts'
import type { EnvironmentSpec } from '../../src/model/environment.ts'
import { isClocheError } from '../../src/model/errors.ts'
import type { TenantId } from '../../src/model/ids.ts'
import { NativeDriver } from '../../src/sandbox/native/driver.ts'
import { systemClock } from '../../src/std/clock.ts'
import { silentLog } from '../../src/std/log.ts'
import { Metrics } from '../../src/std/metrics.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { baseRoot } from '../support/base-root.ts'
import { type PackageIndexes, servePackages } from '../support/package-indexes.ts'
import { guestPath, launcherPath, requireRealPlatform } from '../support/requirements.ts'
import { command, finish, SUITE_LIMITS } from './driver/pieces.ts'

requireRealPlatform()

const MIB = 1024 ** 2
const PYTHON = [
  {
    name: 'shapes',
    version: '1.2.0',
    files: { 'shapes/__init__.py': 'import corners\nSIDES = corners.COUNT\n' },
    requires: ['corners'],
  },
  { name: 'corners', version: '3.0', files: { 'corners.py': 'COUNT = 4\n' } },
  { name: 'shapes', version: '2.0.0', files: { 'shapes/__init__.py': 'SIDES = "two"\n' } },
]
const NODE = [
  {
    name: 'left',
    version: '1.0.0',
    files: { 'index.js': 'exports.side = require("inner").side + "!"' },
    dependencies: { inner: '^2.0.0' },
  },
  { name: 'inner', version: '2.1.0', files: { 'index.js': 'exports.side = "left"' } },
  {
    name: 'scripted',
    version: '1.0.0',
    files: { 'index.js': '' },
    scripts: { postinstall: 'echo ran > ran.txt; ln -s /etc/passwd out' },
  },
]

let folder: string
let driver: NativeDriver
let store: Store
let indexes: PackageIndexes
let environments: Environments
let tenantId: TenantId

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloche-environments-'))
  for (const name of ['run', 'layers', 'logs']) await mkdir(join(folder, name))
  await chmod(join(folder, 'run'), 0o700)
  driver = new NativeDriver({
    launcher: launcherPath,
    runDir: join(folder, 'run'),
    baseRoot: await baseRoot(),
    guestDir: guestPath,
    layersDir: join(folder, 'layers'),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    cgroup: `cloche-test-environments-${process.pid}`,
  })
  store = await openStore(join(folder, 'cloche.db'))
  tenantId = (await store.tenants.create('tests')).id
  indexes = await servePackages(PYTHON, NODE)
  environments = await open({})
})

after(async () => {
  await environments.close()
  await store.close()
  await driver.close()
  indexes.close()
  await rm(folder, { recursive: true, force: true })
})

function open(over: Partial<EnvironmentSettings>): Promise<Environments> {
  const metrics = new Metrics()
  // No private network is open: the indexes are reached because the settings name them.
  const settings = {
    allowPrivate: [],
    maxConnections: 64,
    bytesPerSecond: 1e9,
    connectTimeoutMs: 2000,
    nameServers: [],
  }
  const egress = new Egress({ settings, clock: systemClock, log: silentLog, metrics })
  return openEnvironments({
    settings: {
      layersFolder: join(folder, 'layers'),
      logsFolder: join(folder, 'logs'),
      base: 'test',
      pipIndexUrl: indexes.pipIndexUrl,
      npmRegistry: indexes.npmRegistryUrl,
      indexHosts: [],
      allowInstallScripts: false,
      limits: { memoryBytes: 1536 * MIB, cpuMillis: 2000, pids: 256, diskBytes: 512 * MIB, inodes: 50_000 },
      layer: { bytes: 256 * MIB, entries: 20_000 },
      buildTimeoutMs: 120_000,
      buildsAtOnce: 2,
      buildsWaiting: 8,
      perTenant: 50,
      retryAfterMs: 0,
      ...over,
    },
    ...{ store, driver, egress, metrics },
    clock: systemClock,
    log: silentLog,
  })
}

async function layerOf(spec: EnvironmentSpec): Promise<string> {
  const id = await environments.find(tenantId, { spec })
  return (await environments.fit(tenantId, id, AbortSignal.timeout(120_000))).layer
}

async function runWith(layer: string, argv: readonly string[], env: Record<string, string>): Promise<string> {
  const spec = { runtime: 'bare', layers: [layer], limits: SUITE_LIMITS, network: 'none' } as const
  const sandbox = await driver.create(spec)
  const path = { PATH: '/usr/local/bin:/usr/bin:/bin' }
  const ran = await finish(sandbox.exec(command(argv, { env: { ...path, ...env } })))
  await sandbox.destroy()
  return ran.stdout + ran.stderr
}

async function failure(spec: EnvironmentSpec): Promise<string> {
  try {
    await layerOf(spec)
  } catch (error) {
    if (isClocheError(error, 'environment_build_failed')) return error.details.reason
    throw error
  }
  return 'it was built'
}

test('packages of pip and npm with what they need are imported in other sandboxes, from compiled files', async () => {
  const layer = await layerOf({ python: { packages: ['shapes<2'] }, node: { packages: ['left@^1'] } })
  const shown =
    'import shapes; print(shapes.SIDES, shapes.__spec__.cached, shapes.__cached__ and __import__("os").path.exists(shapes.__cached__))'
  assert.match(
    await runWith(layer, ['python3', '-c', shown], {}),
    /^4 \/\S+\/shapes\/__pycache__\/\S+\.pyc True\n$/,
  )
  const side = ['node', '-p', 'require("left").side']
  assert.equal(await runWith(layer, side, {}), 'left!\n')
  const ls = ['sh', '-c', 'stat -c "%U %a" /opt/env /opt/env/python/corners.py; touch /opt/env/x']
  assert.match(await runWith(layer, ls, {}), /^root 755\nroot 644\ntouch: .*Read-only file system\n$/)
  const found = await store.environments.list(tenantId)
  const manifest = await environments.manifest(tenantId, found[0]?.id ?? '')
  assert.deepEqual(manifest?.installed, {
    python: [
      { name: 'corners', version: '3.0' },
      { name: 'shapes', version: '1.2.0' },
    ],
    node: [
      { name: 'inner', version: '2.1.0' },
      { name: 'left', version: '1.0.0' },
    ],
  })
})

test('a warm interpreter finds the packages without being told where', async () => {
  const layer = await layerOf({ python: { packages: ['shapes<2'] }, node: { packages: ['left@^1'] } })
  const runs = [
    ['python', 'python', 'import shapes; print(shapes.SIDES)', '4\n'],
    ['node', 'javascript', 'console.log(require("left").side)', 'left!\n'],
  ] as const
  for (const [runtime, language, code, expected] of runs) {
    const sandbox = await driver.create({ runtime, layers: [layer], limits: SUITE_LIMITS, network: 'none' })
    const job = { language, code, file: null, args: ['x'], env: {}, cwd: '/workspace', seed: '5a'.repeat(32) }
    const ran = await finish(sandbox.exec({ kind: 'job', keep: false, stdin: false, job }))
    await sandbox.destroy()
    assert.deepEqual([ran.stdout, ran.stderr], [expected, ''], runtime)
  }
})

test('a set is built once, however often and however many ask; its log can be read and followed', async () => {
  const before = indexes.requests.length
  const spec = { python: { packages: ['Corners == 3.0', 'corners==3.0'] } }
  const layers = await Promise.all([
    layerOf(spec),
    layerOf(spec),
    layerOf({ python: { packages: ['corners==3.0'] } }),
  ])
  assert.equal(new Set(layers).size, 1)
  const wheels = indexes.requests.slice(before).filter((path) => path.endsWith('.whl'))
  assert.deepEqual(wheels, ['/files/corners-3.0-py3-none-any.whl'])
  const named = await environments.create(tenantId, 'corners', spec)
  let log = ''
  for await (const text of environments.buildLog(tenantId, 'corners')) log += text
  assert.match(
    log,
    /\$ \/usr\/bin\/python3 -I -m pip install[\s\S]*Successfully installed corners-3\.0\n[\s\S]*ready: \d+ files/,
  )
  assert.equal(named.specHash, layers[0])
})

test('install scripts run only where they were asked for, and a link out of the environment is refused', async () => {
  const quiet = await layerOf({ node: { packages: ['scripted'] } })
  const script = join(folder, 'layers', quiet, 'node/node_modules/scripted')
  assert.deepEqual((await readdir(script)).sort(), ['index.js', 'package.json'])
  assert.match(
    await failure({ node: { packages: ['scripted'] }, allowInstallScripts: true }),
    /the link "env\/node\/node_modules\/scripted\/out" leads out of the environment/,
  )
})

test('unknown packages, versions and unreachable indexes are told apart', async () => {
  assert.match(await failure({ python: { packages: ['nunpy'] } }), /pip found no package "nunpy"/)
  assert.match(
    await failure({ python: { packages: ['shapes==9'] } }),
    /no such version of "shapes==9"; there are 1\.2\.0, 2\.0\.0/,
  )
  assert.match(await failure({ node: { packages: ['no-such'] } }), /npm found no package "no-such"/)
  assert.match(await failure({ node: { packages: ['left@7'] } }), /npm found no such version: "left@7/)
  const cut = await open({ pipIndexUrl: 'http://127.0.0.1:9/simple/', npmRegistry: 'http://127.0.0.1:9/' })
  for (const spec of [{ python: { packages: ['corners'] } }, { node: { packages: ['inner'] } }]) {
    const id = await cut.find(tenantId, { spec })
    await assert.rejects(cut.fit(tenantId, id, AbortSignal.timeout(60_000)), (error) => {
      assert.ok(isClocheError(error, 'environment_build_failed'))
      assert.match(error.details.reason, /the package index could not be reached by (pip|npm)/)
      return true
    })
  }
  await cut.close()
})

test('too large, too slow and out of place: the build fails with the reason, and nothing is left of it', async () => {
  const spec = { python: { packages: ['corners', 'shapes'] } }
  const cases = [
    [{ layer: { bytes: 4096, entries: 1000 }, base: 'a' }, /larger than 4 KiB/],
    [{ layer: { bytes: MIB, entries: 5 }, base: 'b' }, /more than 5 files/],
    [{ buildTimeoutMs: 300, base: 'c' }, /took longer than/],
  ] as const
  for (const [over, reason] of cases) {
    const strict = await open(over)
    const id = await strict.find(tenantId, { spec })
    await assert.rejects(strict.fit(tenantId, id, AbortSignal.timeout(60_000)), (error) => {
      assert.ok(isClocheError(error, 'environment_build_failed'))
      assert.match(error.details.reason, reason)
      return true
    })
    await strict.close()
  }
  assert.deepEqual(
    (await readdir(join(folder, 'layers'))).filter((name) => name.startsWith('.')),
    [],
  )
  assert.equal(driver.count(), 0)
})

test('a removed environment takes its layer with it when it was the last that needed it', async () => {
  const spec = { python: { packages: ['corners<4'] } }
  await environments.create(tenantId, 'gone', spec)
  for await (const _ of environments.buildLog(tenantId, 'gone')) continue
  const layer = await layerOf(spec)
  const { builtAt } = JSON.parse(await readFile(join(folder, 'layers', layer, 'manifest.json'), 'utf8'))
  assert.ok(Date.parse(builtAt) > 0)
  assert.equal(await environments.delete(tenantId, 'gone'), true)
  for (const one of await environments.list(tenantId))
    if (one.specHash === layer) await environments.delete(tenantId, one.id)
  await assert.rejects(stat(join(folder, 'layers', layer)))
  assert.equal(await environments.delete(tenantId, 'gone'), false)
})
