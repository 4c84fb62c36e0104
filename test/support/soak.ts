/**
 * A soak: many executions of every kind, some of them hostile, then the machine must hold exactly what it held before.
 * The short form runs with the other tests, the long one by a command of its own.
 */
import assert from 'node:assert/strict'
import { eventually } from './eventually.ts'
import { cgroupNameOf, type HostCounts, hostCounts, memAvailableBytes, residentBytes } from './host-state.ts'
import { programFile } from './programs.ts'
import { type Seeded, seeded } from './seeded.ts'
import type { TestServer } from './server.ts'

export interface SoakResult {
  readonly executions: number
  readonly seconds: number
  readonly byStatus: Readonly<Record<string, number>>
  readonly before: HostCounts
  readonly after: HostCounts
  readonly serverGrowthBytes: number
  readonly memAvailableDropBytes: number
}

interface Kind {
  readonly weight: number
  readonly request: object
  readonly status: readonly string[]
}

function kinds(): Kind[] {
  const spin = programFile('spin')
  return [
    { weight: 40, request: { language: 'python', code: 'print("hello")' }, status: ['succeeded'] },
    { weight: 20, request: { language: 'bash', code: 'echo hello' }, status: ['succeeded'] },
    { weight: 12, request: { language: 'javascript', code: 'console.log("hello")' }, status: ['succeeded'] },
    {
      weight: 4,
      request: { language: 'typescript', code: 'const a: number = 1; console.log(a)' },
      status: ['succeeded'],
    },
    {
      weight: 8,
      request: { language: 'python', code: 'print("warm")', mode: 'cached' },
      status: ['succeeded'],
    },
    {
      weight: 4,
      request: { language: 'bash', code: '(setsid sleep 300 >/dev/null 2>&1 &); exit 3' },
      status: ['failed'],
    },
    { weight: 3, request: { command: ['./spin'], files: spin, timeoutMs: 150 }, status: ['timeout'] },
    {
      weight: 2,
      request: { language: 'python', code: 'x = b"a" * (1 << 30)', resources: { memoryMb: 48 } },
      status: ['oom'],
    },
    {
      weight: 2,
      request: { language: 'bash', code: ':(){ :|:& };:', timeoutMs: 200 },
      status: ['timeout', 'failed', 'succeeded'],
    },
    {
      weight: 5,
      request: {
        language: 'bash',
        code: 'cat in > out; dd if=/dev/zero of=pad bs=64k count=8 2>/dev/null',
        files: { in: 'x' },
        outputs: ['out'],
      },
      status: ['succeeded'],
    },
  ]
}

function choose(random: Seeded, all: readonly Kind[]): Kind {
  let ticket = random.int(
    1,
    all.reduce((total, kind) => total + kind.weight, 0),
  )
  for (const kind of all) {
    ticket -= kind.weight
    if (ticket <= 0) return kind
  }
  throw new Error('unreachable: the tickets add up to the weights')
}

async function runMany(
  server: TestServer,
  count: number,
  random: Seeded,
  progress: (done: number) => void,
): Promise<Record<string, number>> {
  const byStatus: Record<string, number> = {}
  const all = kinds()
  let begun = 0
  let done = 0
  const worker = async (): Promise<void> => {
    while (begun < count) {
      begun++
      const kind = choose(random, all)
      const result = await server.admin.execute(kind.request)
      assert.ok(
        kind.status.includes(result.status),
        `${JSON.stringify(kind.request).slice(0, 200)} → ${JSON.stringify(result).slice(0, 800)}`,
      )
      byStatus[result.status] = (byStatus[result.status] ?? 0) + 1
      done++
      if (done % 1000 === 0) progress(done)
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))
  return byStatus
}

/** Counts once the pools have settled: the same several times in a row. */
export async function settledCounts(
  server: TestServer,
  cgroups: RegExp,
  withinMs = 60_000,
): Promise<HostCounts> {
  let previous = ''
  let same = 0
  return eventually(
    () => {
      const counts = hostCounts(server, cgroups)
      const text = JSON.stringify(counts)
      same = text === previous ? same + 1 : 0
      previous = text
      return same >= 8 ? counts : undefined
    },
    { withinMs, everyMs: 250, what: 'counts that stay the same' },
  )
}

/** Waits until the machine holds what it held before; fails naming what is more. */
export async function assertBackTo(
  server: TestServer,
  cgroups: RegExp,
  before: HostCounts,
  withinMs = 90_000,
): Promise<HostCounts> {
  let last = before
  const tolerated: Record<keyof HostCounts, number> = {
    processes: 0,
    zombies: 0,
    mounts: 0,
    cgroups: 0,
    serverFds: 4,
    launcherFds: 0,
    runEntries: 0,
  }
  const keys = Object.keys(tolerated) as (keyof HostCounts)[] // the record above names exactly the keys
  try {
    return await eventually(
      () => {
        last = hostCounts(server, cgroups)
        return keys.every((key) => last[key] <= before[key] + tolerated[key]) ? last : undefined
      },
      { withinMs, everyMs: 250, what: 'the counts of before' },
    )
  } catch {
    assert.deepEqual(last, before, 'something was left behind')
    return last
  }
}

interface Measured {
  readonly seconds: number
  readonly byStatus: Record<string, number>
  readonly serverGrowthBytes: number
  readonly memAvailableDropBytes: number
}

async function measured(
  server: TestServer,
  count: number,
  random: Seeded,
  progress: (line: string) => void,
): Promise<Measured> {
  const residentBefore = residentBytes(server.pid)
  const availableBefore = memAvailableBytes()
  const started = performance.now()
  const byStatus = await runMany(server, count, random, (done) => progress(`${done} of ${count}`))
  return {
    seconds: (performance.now() - started) / 1000,
    byStatus,
    serverGrowthBytes: residentBytes(server.pid) - residentBefore,
    memAvailableDropBytes: availableBefore - memAvailableBytes(),
  }
}

/** For a server without standby: afterwards every count must be what it was before. */
export async function soakExactly(
  server: TestServer,
  count: number,
  seed: number,
  progress: (line: string) => void,
): Promise<SoakResult> {
  const random = seeded(seed)
  await runMany(server, Math.min(200, count), random, () => {})
  const cgroups = cgroupNameOf(server)
  const before = await settledCounts(server, cgroups)
  const load = await measured(server, count, random, progress)
  return { executions: count, ...load, before, after: await assertBackTo(server, cgroups, before) }
}

/** For a server as it comes, whose standby follows demand: what it holds is shown, and bounded by what standby may be. */
export async function soakRoughly(
  server: TestServer,
  count: number,
  seed: number,
  progress: (line: string) => void,
): Promise<SoakResult> {
  const random = seeded(seed)
  await runMany(server, Math.min(200, count), random, () => {})
  const cgroups = cgroupNameOf(server)
  const before = await settledCounts(server, cgroups)
  const load = await measured(server, count, random, progress)
  const after = await settledCounts(server, cgroups)
  assert.ok(
    after.processes < before.processes + 200,
    `${after.processes} processes after, ${before.processes} before`,
  )
  assert.equal(after.zombies, 0)
  assert.equal(after.mounts, before.mounts)
  return { executions: count, ...load, before, after }
}
