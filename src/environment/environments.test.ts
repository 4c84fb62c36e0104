import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Environment, EnvironmentSpec } from '../model/environment.ts'
import { ClocheError, type ErrorCode, isClocheError } from '../model/errors.ts'
import type { TenantId } from '../model/ids.ts'
import type { Driver, ExecSpec, Process, Sandbox, SandboxSpec, TreePart } from '../sandbox/driver.ts'
import { abortable } from '../std/abort.ts'
import { FakeClock } from '../std/clock.ts'
import { silentLog } from '../std/log.ts'
import { Metrics } from '../std/metrics.ts'
import { openStore, type Store } from '../store/store.ts'
import type { Environments } from './environments.ts'
import { openEnvironments } from './open-environments.ts'
import type { EnvironmentSettings } from './settings.ts'

const never = new AbortController().signal
const shapes: EnvironmentSpec = { python: { packages: ['shapes'] } }
const TREE: readonly TreePart[] = [
  { kind: 'folder', path: 'env', mode: 0o755 },
  { kind: 'folder', path: 'env/python', mode: 0o755 },
  { kind: 'folder', path: 'env/python/shapes-1.0.dist-info', mode: 0o755 },
]

/** A driver whose sandboxes install what the test says, when it says. */
class Builder implements Pick<Driver, 'create'> {
  readonly specs: SandboxSpec[] = []
  readonly commands: string[][] = []
  destroyed = 0
  /** What the next commands do; by default they succeed at once. */
  command: (argv: readonly string[]) => Promise<{ code: number; output?: string }> = async () => ({ code: 0 })
  tree: readonly TreePart[] = TREE
  refuse: ClocheError | undefined

  async create(spec: SandboxSpec): Promise<Sandbox> {
    if (this.refuse !== undefined) throw this.refuse
    this.specs.push(spec)
    const sandbox = {
      id: `s${this.specs.length}`,
      exec: (what: ExecSpec, signal?: AbortSignal) => this.#exec(what, signal),
      egress: () => 'channel',
      readTree: async (_: string, take: (part: TreePart) => Promise<void>) => {
        for (const part of this.tree) await take(part)
      },
      usage: async () => ({ oomKills: 0 }),
      destroy: async () => void this.destroyed++,
      endReason: undefined,
    }
    // Builds use no other part of a sandbox.
    return sandbox as unknown as Sandbox
  }

  #exec(spec: ExecSpec, signal?: AbortSignal): Process {
    const argv = spec.kind === 'argv' ? [...spec.argv] : []
    this.commands.push(argv)
    let listener: Parameters<Process['onOutput']>[0] = () => {}
    const exited = this.command(argv).then(({ code, output = '' }) => {
      listener('stdout', Buffer.from(output))
      return { code, signal: null }
    })
    const process = {
      onOutput: (given: typeof listener) => void (listener = given),
      exited: abortable(exited, signal),
    }
    return process as unknown as Process
  }
}

interface World {
  readonly builder: Builder
  readonly clock: FakeClock
  readonly store: Store
  readonly tenants: readonly [TenantId, TenantId]
  readonly layers: string
  readonly served: unknown[]
  open(over?: Partial<EnvironmentSettings>): Promise<Environments>
}

async function world(t: TestContext): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'cloche-environments-'))
  const store = await openStore(join(folder, 'cloche.db'))
  const opened: Environments[] = []
  t.after(async () => {
    for (const one of opened) await one.close()
    await store.close()
    await rm(folder, { recursive: true })
  })
  const [builder, clock, layers, served] = [
    new Builder(),
    new FakeClock(),
    join(folder, 'layers'),
    [] as unknown[],
  ]
  const tenants = [(await store.tenants.create('a')).id, (await store.tenants.create('b')).id] as const
  const open = async (over: Partial<EnvironmentSettings> = {}): Promise<Environments> => {
    const environments = await openEnvironments({
      settings: { ...SETTINGS, layersFolder: layers, logsFolder: join(folder, 'logs'), ...over },
      ...{ store, clock, driver: builder, log: silentLog, metrics: new Metrics() },
      egress: { serve: (...given) => (served.push(given), { close: () => {} }) },
    })
    opened.push(environments)
    return environments
  }
  return { builder, clock, store, tenants, layers, served, open }
}

const SETTINGS: Omit<EnvironmentSettings, 'layersFolder' | 'logsFolder'> = {
  base: 'base',
  pipIndexUrl: 'http://127.0.0.1:9000/simple/',
  npmRegistry: null,
  indexHosts: ['files.example.com'],
  allowInstallScripts: false,
  limits: { memoryBytes: 1, cpuMillis: 1, pids: 1, diskBytes: 1 << 20, inodes: 1 },
  layer: { bytes: 1 << 20, entries: 100 },
  buildTimeoutMs: 60_000,
  buildsAtOnce: 2,
  buildsWaiting: 4,
  perTenant: 3,
  retryAfterMs: 1000,
}

const failsWith =
  (code: ErrorCode, text = /./) =>
  (error: unknown): boolean => {
    assert.ok(isClocheError(error, code), String(error))
    assert.match(error.detail, text)
    return true
  }

/** Removed ones wait under another name for the last who has them. */
async function layersIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('.removed-'))
}

async function until(
  environments: Environments,
  tenant: TenantId,
  name: string,
  status: string,
): Promise<Environment> {
  for (;;) {
    const found = await environments.get(tenant, name)
    if (found.status === status) return found
    await new Promise(setImmediate)
  }
}

test('a named environment is on record at once and ready when its layer exists', async (t) => {
  const { builder, tenants, open, served, layers } = await world(t)
  const environments = await open()
  const made = await environments.create(tenants[0], 'science', shapes)
  assert.equal(made.status, 'pending')
  const ready = await until(environments, tenants[0], 'science', 'ready')
  assert.deepEqual(await layersIn(layers), [ready.layer])
  assert.deepEqual((await environments.manifest(tenants[0], 'science'))?.installed.python, [
    { name: 'shapes', version: '1.0' },
  ])
  assert.deepEqual(await environments.fit(tenants[0], ready.id, never), { id: ready.id, layer: ready.layer })
  assert.equal(await environments.find(tenants[0], { name: 'science' }), ready.id)
  assert.deepEqual(served, [
    [
      'channel',
      { allow: ['files.example.com'] },
      's1',
      [{ name: 'package-index.internal', port: 9000, address: '127.0.0.1' }],
    ],
  ])
  assert.deepEqual(
    [builder.specs[0]?.network, builder.specs[0]?.runtime, builder.destroyed],
    ['egress', 'bare', 1],
  )
})

test('a burst of equal inline sets is one record and one build; another tenant has its own', async (t) => {
  const { builder, tenants, open } = await world(t)
  const environments = await open()
  const use = async (tenant: TenantId): Promise<string> => {
    const id = await environments.find(tenant, { spec: shapes })
    return (await environments.fit(tenant, id, never)).layer
  }
  const layers = await Promise.all(Array.from({ length: 20 }, () => use(tenants[0])))
  assert.equal(new Set(layers).size, 1)
  assert.equal(builder.specs.length, 1)
  assert.equal((await environments.list(tenants[0])).length, 1)
  assert.notEqual(await use(tenants[1]), layers[0])
  assert.equal(builder.specs.length, 2)
})

test('names: taken, unknown, of other tenants, malformed, and one too many', async (t) => {
  const { tenants, open } = await world(t)
  const environments = await open()
  const [mine, theirs] = tenants
  const made = await environments.create(mine, 'one', shapes)
  assert.equal((await environments.create(mine, 'one', { python: { packages: ['Shapes'] } })).id, made.id)
  await assert.rejects(
    environments.create(mine, 'one', { python: { packages: ['x'] } }),
    failsWith('conflict', /is taken by another set/),
  )
  await assert.rejects(environments.get(theirs, 'one'), failsWith('environment_unknown', /"one"/))
  await assert.rejects(environments.fit(theirs, made.id, never), failsWith('environment_unknown'))
  await assert.rejects(environments.find(mine, { name: 'two' }), failsWith('environment_unknown', /"two"/))
  for (const name of ['', '-a', 'a/b', 'a b', 'x'.repeat(64), made.id])
    await assert.rejects(environments.create(mine, name, shapes), failsWith('invalid_request', /^name: /))
  await assert.rejects(
    environments.find(mine, { spec: { node: { packages: ['-g'] } } }),
    failsWith('invalid_request', /^environment\.node\.packages\[0\]/),
  )
  await environments.create(mine, 'two', shapes)
  await environments.create(mine, 'three', shapes)
  await assert.rejects(
    environments.create(mine, 'four', shapes),
    failsWith('quota_exceeded', /3 environments/),
  )
})

test('a failed build tells why, is kept for a while, and then tried again', async (t) => {
  const { builder, clock, tenants, open } = await world(t)
  const environments = await open()
  builder.command = async () => ({ code: 1, output: 'ERROR: No matching distribution found for shapes\n' })
  const id = await environments.find(tenants[0], { spec: shapes })
  const why = failsWith(
    'environment_build_failed',
    /failed: pip found no package "shapes"; check its name and version\.$/,
  )
  await assert.rejects(environments.fit(tenants[0], id, never), why)
  await assert.rejects(environments.fit(tenants[0], id, never), why)
  assert.equal(builder.specs.length, 1)
  let log = ''
  for await (const text of environments.buildLog(tenants[0], id)) log += text
  assert.match(
    log,
    /^\$ \/usr\/bin\/python3[^\n]+ shapes\nERROR: No matching[^\n]+\nfailed: pip found no package/,
  )
  builder.command = async () => ({ code: 0 })
  await clock.advance(1000)
  assert.ok((await environments.fit(tenants[0], id, never)).layer)
  assert.equal(builder.destroyed, 2)
})

test('a named one that is being built is not ready, one that failed says so and is built anew when created again', async (t) => {
  const { builder, tenants, open } = await world(t)
  const environments = await open()
  const gate = Promise.withResolvers<{ code: number }>()
  builder.command = () => gate.promise
  const { id } = await environments.create(tenants[0], 'slow', shapes)
  await until(environments, tenants[0], 'slow', 'building')
  await assert.rejects(
    environments.fit(tenants[0], id, never),
    failsWith('environment_not_ready', /"slow" is building/),
  )
  gate.resolve({ code: 3 })
  await until(environments, tenants[0], 'slow', 'failed')
  await assert.rejects(
    environments.fit(tenants[0], id, never),
    failsWith('environment_build_failed', /pip exited with 3/),
  )
  builder.command = async () => ({ code: 0 })
  await environments.create(tenants[0], 'slow', shapes)
  assert.equal((await until(environments, tenants[0], 'slow', 'ready')).error, null)
})

test('hostile output, and a build that takes too long, end it and leave nothing behind', async (t) => {
  const { builder, clock, tenants, open, layers } = await world(t)
  const environments = await open()
  builder.tree = [...TREE, { kind: 'link', path: 'env/python/x', target: '/etc' }]
  const id = await environments.find(tenants[0], { spec: shapes })
  await assert.rejects(
    environments.fit(tenants[0], id, never),
    failsWith('environment_build_failed', /leads out of the environment/),
  )
  builder.command = () => new Promise(() => {})
  await clock.advance(1000)
  const slow = environments.fit(tenants[0], id, never)
  await until(environments, tenants[0], id, 'building')
  while (builder.commands.length < 3) await new Promise(setImmediate)
  await Promise.all([
    assert.rejects(slow, failsWith('environment_build_failed', /took longer than/)),
    clock.advance(60_000),
  ])
  assert.deepEqual(await layersIn(layers), [])
  assert.equal(builder.destroyed, 2)
})

test('what the platform could not do is not the packages’ fault: an inline set is built for the next who asks', async (t) => {
  const { builder, tenants, open } = await world(t)
  const environments = await open()
  builder.refuse = new ClocheError('sandbox_start_failed', { step: 'clone' })
  const id = await environments.find(tenants[0], { spec: shapes })
  await assert.rejects(environments.fit(tenants[0], id, never), failsWith('sandbox_start_failed'))
  builder.refuse = undefined
  assert.ok((await environments.fit(tenants[0], id, never)).layer)
})

test('deleting one ends its build; a layer goes with the last environment that needs it', async (t) => {
  const { builder, tenants, open, layers } = await world(t)
  const environments = await open()
  await environments.create(tenants[0], 'one', shapes)
  const { layer } = await until(environments, tenants[0], 'one', 'ready')
  await environments.create(tenants[0], 'two', shapes)
  await until(environments, tenants[0], 'two', 'ready')
  assert.equal(await environments.delete(tenants[0], 'one'), true)
  assert.deepEqual(await layersIn(layers), [layer])
  assert.equal(await environments.delete(tenants[0], 'two'), true)
  assert.deepEqual(await layersIn(layers), [])
  assert.equal(await environments.delete(tenants[0], 'two'), false)
  builder.command = () => new Promise(() => {})
  const id = await environments.find(tenants[0], { spec: shapes })
  const waiting = environments.fit(tenants[0], id, never)
  await until(environments, tenants[0], id, 'building')
  await Promise.all([
    assert.rejects(waiting, failsWith('environment_unknown')),
    environments.delete(tenants[0], id),
  ])
})

test('a server that stops ends its builds; the next one begins those with a name again and clears the rest away', async (t) => {
  const { builder, tenants, open, layers, store } = await world(t)
  const first = await open()
  builder.command = () => new Promise(() => {})
  await first.create(tenants[0], 'named', shapes)
  const id = await first.find(tenants[0], { spec: { python: { packages: ['other'] } } })
  const waiting = first.fit(tenants[0], id, never)
  await until(first, tenants[0], id, 'building')
  await Promise.all([assert.rejects(waiting, failsWith('shutting_down')), first.close()])
  assert.deepEqual(
    (await store.platform.unbuilt()).map(({ status }) => status),
    ['building', 'building'],
  )
  await mkdir(join(layers, '.unfinished-x'))
  await mkdir(join(layers, 'f'.repeat(64)))
  builder.command = async () => ({ code: 0 })
  const second = await open()
  const { layer } = await until(second, tenants[0], 'named', 'ready')
  assert.deepEqual(await layersIn(layers), [layer])
  assert.equal((await second.get(tenants[0], id)).status, 'pending')
  assert.ok((await second.fit(tenants[0], id, never)).layer)
})

test('without settings the tools say themselves where they look, before any package is there', async (t) => {
  const { builder, tenants, open, served } = await world(t)
  const environments = await open({ pipIndexUrl: null, indexHosts: [] })
  builder.command = async (argv) => {
    if (argv.join(' ').includes('PyPI'))
      return { code: 0, output: 'https://index.example.com/simple files.example.com\n' }
    return { code: 0, output: argv.includes('registry') ? 'https://npm.example.com/\n' : '' }
  }
  const id = await environments.find(tenants[0], { spec: { ...shapes, node: { packages: ['left'] } } })
  await environments.fit(tenants[0], id, never)
  assert.deepEqual(served, [
    ['channel', { allow: ['index.example.com', 'files.example.com', 'npm.example.com'] }, 's1', []],
  ])
})
