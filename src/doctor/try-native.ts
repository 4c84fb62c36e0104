import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RuntimeName } from '../sandbox/driver.ts'
import { NativeDriver } from '../sandbox/native/driver.ts'
import type { Trial } from './drivers.ts'

export interface NativePlaces {
  readonly buildDir: string
  /** The root of the base tree in use; undefined when none is ready. */
  readonly baseRoot: string | undefined
}

const runtimes: readonly RuntimeName[] = ['bare', 'python', 'node']
const TRIAL_DEADLINE_MS = 30_000
const limits = {
  memoryBytes: 64 * 1024 ** 2,
  cpuMillis: 1000,
  pids: 32,
  diskBytes: 16 * 1024 ** 2,
  inodes: 4096,
}

/** Makes and ends a real sandbox of each runtime, with a launcher of its own beside whatever server may be running. */
export async function tryNative(places: NativePlaces): Promise<Trial[]> {
  if (places.baseRoot === undefined) {
    return failed({ why: 'there is no base tree to make one from', remedy: 'build it: scripts/base-tree' })
  }
  const scratch = await mkdtemp(join(tmpdir(), 'cloche-doctor-'))
  const driver = new NativeDriver({
    launcher: join(places.buildDir, 'launcher'),
    guestDir: join(places.buildDir, 'guest'),
    baseRoot: places.baseRoot,
    runDir: scratch,
    layersDir: scratch,
    owner: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    cgroup: `cloche-doctor-${process.pid}`,
  })
  try {
    const native = await driver.availability()
    if (!native.available) return failed({ why: native.reason, remedy: native.remedy })
    const trials: Trial[] = []
    for (const runtime of runtimes) trials.push(await tryRuntime(driver, runtime))
    return trials
  } finally {
    await driver.close()
    await rm(scratch, { recursive: true, force: true })
  }
}

async function tryRuntime(driver: NativeDriver, runtime: RuntimeName): Promise<Trial> {
  try {
    const signal = AbortSignal.timeout(TRIAL_DEADLINE_MS)
    const sandbox = await driver.create({ runtime, layers: [], limits, network: 'none' }, signal)
    const readyMs = sandbox.startPhases.readyUs / 1000
    await sandbox.destroy()
    return { runtime, readyMs }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return {
      runtime,
      failure: { why, remedy: 'the lines above about the kernel and the platform tell what is missing' },
    }
  }
}

function failed(failure: { why: string; remedy: string }): Trial[] {
  return runtimes.map((runtime) => ({ runtime, failure }))
}
