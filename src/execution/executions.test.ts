import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { openBlobFolder } from '../blobs/folder.ts'
import { ClocheError, type ErrorCode, isClocheError } from '../model/errors.ts'
import { newServerId, newTenantId } from '../model/ids.ts'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import type { ClaimRequest, Lease } from '../pool/pool.ts'
import type { ExecSpec, ExitStatus, FileEntry, OutputListener, Process, Sandbox } from '../sandbox/driver.ts'
import { systemClock } from '../std/clock.ts'
import { silentLog } from '../std/log.ts'
import { Metrics } from '../std/metrics.ts'
import { openStore } from '../store/store.ts'
import { Executions } from './executions.ts'
import { BEGINNING } from './output-log.ts'
import type { Caller } from './parts.ts'
import type { ExecutionRequest } from './request.ts'

/** A program that does what a test says; store, blobs and everything else are real. */
interface Script {
  readonly output?: ReadonlyArray<readonly ['stdout' | 'stderr', string]>
  readonly exit?: ExitStatus
  /** Runs until it is killed. */
  readonly hangs?: boolean
  readonly failsWith?: ClocheError
  readonly oomKills?: number
}

class Scripted {
  claims: ClaimRequest[] = []
  released: string[] = []
  written: FileEntry[] = []
  script: Script = {}
  claimError: ErrorCode | undefined

  async claim(request: ClaimRequest): Promise<Lease> {
    this.claims.push(request)
    if (this.claimError === 'sandbox_start_failed')
      throw new ClocheError('sandbox_start_failed', { step: 'testing' })
    if (this.claimError === 'queue_full') throw new ClocheError('queue_full', { capacity: 1 })
    const release = (outcome: string): void => void this.released.push(outcome)
    return { sandbox: this.#sandbox(request), startKind: 'standby', queueMs: 1, startMs: 2, release }
  }

  #sandbox(request: ClaimRequest): Sandbox {
    const usage = {
      cpuUs: 5000,
      memoryBytes: 1,
      peakMemoryBytes: 4096,
      oomKills: this.script.oomKills ?? 0,
      pids: 1,
    }
    const parts = {
      id: 'sandbox',
      spec: { runtime: request.runtime, layers: [], limits: request.limits, network: request.network },
      startPhases: { cloneUs: 1, attachUs: 1, mountUs: 1, readyUs: 1 },
      endReason: undefined,
      exec: (spec: ExecSpec) => scriptedProcess(this.script, spec),
      writeFiles: async (files: Iterable<FileEntry>) => void this.written.push(...files),
      readFiles: async (paths: readonly string[]) =>
        paths.map((path) => ({
          path,
          mode: 0o644,
          content: path === 'gone' ? null : Buffer.from(`in ${path}`),
        })),
      usage: async () => usage,
      destroy: async () => usage,
    }
    // Only what a run uses: the driver's own suite tests the rest on the real thing.
    return parts as unknown as Sandbox
  }
}

function scriptedProcess(script: Script, _spec: ExecSpec): Process {
  const exited = Promise.withResolvers<ExitStatus>()
  let listener: OutputListener = () => {}
  setImmediate(() => {
    for (const [stream, text] of script.output ?? []) listener(stream, Buffer.from(text))
    if (script.failsWith !== undefined) exited.reject(script.failsWith)
    else if (!script.hangs) exited.resolve(script.exit ?? { code: 0, signal: null })
  })
  return {
    onOutput: (given) => {
      listener = given
    },
    pause: () => {},
    resume: () => {},
    writeStdin: async () => {},
    endStdin: () => {},
    resize: () => {},
    signal: () => {},
    exited: exited.promise,
    startedAtMs: performance.now(),
    kill: () => exited.resolve({ code: null, signal: 'SIGKILL' }),
  }
}

const caller: Caller = { tenantId: newTenantId(0), keyId: null }

const request: ExecutionRequest = {
  program: { kind: 'command', argv: ['x'] },
  env: {},
  cwd: '/workspace',
  stdin: null,
  interactive: false,
  pty: null,
  files: [],
  outputs: [],
  limits: DEFAULT_LIMITS,
  timeoutMs: 5000,
  network: 'none',
  mode: 'ephemeral',
  environment: null,
  resultTtlMs: null,
  idempotencyKey: null,
}

interface Rig {
  readonly executions: Executions
  readonly pool: Scripted
  readonly dataDir: string
}

async function rig(
  t: TestContext,
  dataDir = mkdtempSync(join(tmpdir(), 'cloche-executions-')),
): Promise<Rig> {
  const store = await openStore(join(dataDir, 'cloche.db'))
  const pool = new Scripted()
  const executions = new Executions({
    settings: {
      outputs: { memoryBytes: 10_000, keptBytes: 100_000 },
      outputFilesBytes: 10_000,
      inodesPerMib: 64,
      perTenant: 3,
      idempotencyMs: 60_000,
      dispatcher: { concurrency: 2, firstRetryMs: 10, longestRetryMs: 20 },
      spoolFolder: join(dataDir, 'spool'),
      platformFingerprint: 'base',
    },
    serverId: newServerId(Date.now()),
    store,
    blobs: await openBlobFolder(join(dataDir, 'blobs')),
    pool,
    egress: { serve: () => ({ close: () => {} }) },
    environments: {
      find: () => Promise.reject(new Error('unused')),
      fit: () => Promise.reject(new Error('unused')),
    },
    clock: systemClock,
    log: silentLog,
    metrics: new Metrics(),
  })
  await executions.start()
  t.after(async () => {
    await executions.close(AbortSignal.timeout(100))
    await store.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { executions, pool, dataDir }
}

async function run({ executions }: Rig, changes: Partial<ExecutionRequest> = {}) {
  const started = await executions.begin(caller, { ...request, ...changes })
  return started.kind === 'live' ? started.live.finished : started.record
}

async function until<T>(probe: () => T | Promise<T>): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const value = await probe()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it did not come true')
}

test('a run ends with its streams, exit, usage and phases on record, and its sandbox is given back', async (t) => {
  const r = await rig(t)
  r.pool.script = {
    output: [
      ['stdout', 'out'],
      ['stderr', 'err'],
    ],
    exit: { code: 3, signal: null },
  }
  const record = await run(r, { outputs: ['a', 'gone'] })
  assert.deepEqual([record.status, record.exitCode, record.startKind], ['failed', 3, 'standby'])
  assert.deepEqual(record.stdout?.kept, { bytes: 3, text: 'out', encoding: 'utf8' })
  assert.deepEqual(record.stderr?.kept, { bytes: 3, text: 'err', encoding: 'utf8' })
  assert.deepEqual([record.cpuTimeMs, record.peakMemoryBytes], [5, 4096])
  assert.deepEqual(
    record.outputs.map(({ path, kept }) => [path, kept?.bytes]),
    [
      ['a', 4],
      ['gone', undefined],
    ],
  )
  assert.deepEqual(r.pool.released, ['reuse'])
  assert.deepEqual(await r.executions.get(caller.tenantId, record.id), record)
})

test('a time-out kills the program and keeps what it printed', async (t) => {
  const r = await rig(t)
  r.pool.script = { output: [['stdout', 'before']], hangs: true }
  const record = await run(r, { timeoutMs: 50 })
  assert.deepEqual([record.status, record.signal, record.stdout?.producedBytes], ['timeout', 'SIGKILL', 6])
  assert.deepEqual(r.pool.released, ['destroy'])
})

test('memory is blamed when the kernel counted a kill', async (t) => {
  const r = await rig(t)
  r.pool.script = { exit: { code: null, signal: 'SIGKILL' }, oomKills: 1 }
  assert.equal((await run(r)).status, 'oom')
})

test('a program that is not there ends as in a shell', async (t) => {
  const r = await rig(t)
  r.pool.script = {
    failsWith: new ClocheError('program_not_started', { program: 'x', reason: 'ENOENT: no such file' }),
  }
  const record = await run(r)
  assert.deepEqual([record.status, record.exitCode], ['failed', 127])
  assert.match(
    record.stderr !== null && 'text' in record.stderr.kept ? record.stderr.kept.text : '',
    /x: ENOENT/,
  )
})

test('a lost sandbox is told, and what was printed before is kept', async (t) => {
  const r = await rig(t)
  r.pool.script = {
    output: [['stdout', 'part']],
    failsWith: new ClocheError('sandbox_lost', { reason: 'gone' }),
  }
  const record = await run(r)
  assert.deepEqual(
    [record.status, record.error?.code, record.stdout?.producedBytes],
    ['failed', 'sandbox_lost', 4],
  )
})

test('a caller who waits is refused when no sandbox can be had; the record says why', async (t) => {
  const r = await rig(t)
  r.pool.claimError = 'queue_full'
  const started = await r.executions.begin(caller, request)
  assert.ok(started.kind === 'live')
  const record = await started.live.finished
  assert.deepEqual(
    [record.status, record.error?.code, started.live.failure?.code],
    ['error', 'queue_full', 'queue_full'],
  )
})

test('an accepted execution waits until there is room, and its request is gone from the record afterwards', async (t) => {
  const r = await rig(t)
  r.pool.claimError = 'sandbox_start_failed'
  const accepted = await r.executions.accept(caller, { ...request, stdin: Buffer.from('secret') })
  assert.equal(accepted.status, 'accepted')
  await until(() => r.pool.claims.length >= 3)
  r.pool.claimError = undefined
  const record = await until(async () => {
    const now = await r.executions.get(caller.tenantId, accepted.id)
    return now.status === 'succeeded' ? now : undefined
  })
  assert.equal(record?.request, null)
})

test('cancelling ends a running one as killed and a waiting one as cancelled; a second time is refused', async (t) => {
  const r = await rig(t)
  r.pool.script = { hangs: true }
  const started = await r.executions.begin(caller, request)
  assert.ok(started.kind === 'live')
  await started.live.started
  assert.equal((await r.executions.cancel(caller.tenantId, started.live.id)).status, 'killed')
  r.pool.claimError = 'queue_full'
  const waiting = await r.executions.accept(caller, request)
  await until(() => r.pool.claims.length >= 2)
  assert.equal((await r.executions.cancel(caller.tenantId, waiting.id)).status, 'cancelled')
  await until(() => r.executions.liveOf(caller.tenantId, waiting.id) === undefined)
  await assert.rejects(r.executions.cancel(caller.tenantId, waiting.id), (error) =>
    isClocheError(error, 'execution_not_running'),
  )
})

test('nobody else reaches an execution', async (t) => {
  const r = await rig(t)
  const record = await run(r)
  const other = newTenantId(1)
  for (const attempt of [
    r.executions.get(other, record.id),
    r.executions.cancel(other, record.id),
    r.executions.delete(other, record.id),
  ]) {
    await assert.rejects(attempt, (error) => isClocheError(error, 'not_found'))
  }
})

test('a tenant has a bounded number of executions that have not ended', async (t) => {
  const r = await rig(t)
  r.pool.script = { hangs: true }
  for (let count = 0; count < 3; count++) await r.executions.begin(caller, request)
  await assert.rejects(r.executions.begin(caller, request), (error) => isClocheError(error, 'quota_exceeded'))
})

test('one idempotency key runs once, however many come at the same moment', async (t) => {
  const r = await rig(t)
  const keyed = { ...request, idempotencyKey: 'k' }
  const started = await Promise.all([1, 2, 3].map(() => r.executions.begin(caller, keyed)))
  const records = await Promise.all(
    started.map((one) => (one.kind === 'live' ? one.live.finished : one.record)),
  )
  assert.equal(new Set(records.map((record) => record.id)).size, 1)
  assert.equal(r.pool.claims.length, 1)
  await assert.rejects(r.executions.begin(caller, { ...keyed, cwd: '/tmp' }), (error) =>
    isClocheError(error, 'idempotency_conflict'),
  )
})

test('an equal request is answered from the result cache when both ask for it, and only a success is kept', async (t) => {
  const r = await rig(t)
  r.pool.script = { exit: { code: 1, signal: null } }
  await run(r, { resultTtlMs: 60_000 })
  r.pool.script = { output: [['stdout', 'result']] }
  const first = await run(r, { resultTtlMs: 60_000 })
  assert.equal(first.startKind, 'standby')
  const second = await until(async () => {
    const record = await run(r, { resultTtlMs: 60_000 })
    return record.startKind === 'replay' ? record : undefined
  })
  assert.deepEqual([second?.stdout, second?.status], [first.stdout, 'succeeded'])
  assert.notEqual(second?.id, first.id)
  assert.equal((await run(r)).startKind, 'standby')
  assert.equal((await run(r, { resultTtlMs: 60_000, env: { A: '1' } })).startKind, 'standby')
})

test('large output is kept beside the record and read from any place', async (t) => {
  const r = await rig(t)
  const text = Array.from({ length: 4000 }, (_, index) => `${index}\n`).join('')
  r.pool.script = { output: [['stdout', text]] }
  const record = await run(r)
  assert.ok(record.stdout !== null && 'blob' in record.stdout.kept)
  let read = ''
  const from = { ...BEGINNING, stdout: 100 }
  for await (const piece of r.executions.outputOf(record, from)) read += piece.bytes.toString()
  assert.equal(read, text.slice(100))
})

test('closing ends what runs and keeps what waits for the next start', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'cloche-executions-'))
  const first = await rig(t, dataDir)
  first.pool.script = { hangs: true }
  const started = await first.executions.begin(caller, request)
  assert.ok(started.kind === 'live')
  await started.live.started
  await first.executions.close(AbortSignal.timeout(20))
  const record = await started.live.finished
  assert.deepEqual([record.status, record.error?.code], ['killed', 'shutting_down'])
  await assert.rejects(first.executions.begin(caller, request), (error) =>
    isClocheError(error, 'shutting_down'),
  )
})
