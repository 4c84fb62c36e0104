/** The native driver by itself, without server or HTTP: what the launcher and init cost. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Limits, RuntimeName, SandboxSpec } from '../../src/sandbox/driver.ts'
import { NativeDriver } from '../../src/sandbox/native/driver.ts'
import { guestPath, launcherPath, requireRealPlatform } from '../../test/support/requirements.ts'
import { baseRoot } from './peers.ts'

const limits: Limits = {
  memoryBytes: 256 * 2 ** 20,
  cpuMillis: 1000,
  pids: 128,
  diskBytes: 64 * 2 ** 20,
  inodes: 16_384,
}

export const specFor = (runtime: RuntimeName): SandboxSpec => ({
  runtime,
  layers: [],
  limits,
  network: 'none',
})

export interface OwnDriver {
  readonly driver: NativeDriver
  close(): Promise<void>
}

export async function startDriver(): Promise<OwnDriver> {
  requireRealPlatform()
  const folder = mkdtempSync(join(tmpdir(), 'cloche-bench-'))
  for (const name of ['run', 'layers']) mkdirSync(join(folder, name))
  chmodSync(join(folder, 'run'), 0o700)
  const driver = new NativeDriver({
    launcher: launcherPath,
    runDir: join(folder, 'run'),
    baseRoot: baseRoot(),
    guestDir: guestPath,
    layersDir: join(folder, 'layers'),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    cgroup: `cloche-bench-${process.pid}`,
  })
  return {
    driver,
    async close() {
      await driver.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
