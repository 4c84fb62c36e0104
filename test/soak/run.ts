/**
 * The long soak: 20,000 executions (or as many as the first argument says), four fifths of them on a server as it comes,
 * the rest on one without standby, where every count must be exactly what it was before. Prints what it did; ends with 1
 * if anything was left behind.
 */
import assert from 'node:assert/strict'
import { eventually } from '../support/eventually.ts'
import {
  allProcesses,
  cgroupFolders,
  cgroupNameOf,
  mountsNaming,
  processesBelow,
} from '../support/host-state.ts'
import { chosenSeed } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'
import { type SoakResult, soakExactly, soakRoughly } from '../support/soak.ts'

const MIB = 1024 * 1024
const count = Number(process.argv[2] ?? 20_000)
const seed = chosenSeed()
const say = (line: string): void => console.log(line)

function report(result: SoakResult): void {
  say(JSON.stringify(result, null, 2))
  assert.ok(result.serverGrowthBytes < 64 * MIB, `the server grew by ${result.serverGrowthBytes} bytes`)
  assert.ok(
    result.memAvailableDropBytes < 256 * MIB,
    `the machine lost ${result.memAvailableDropBytes} bytes`,
  )
}

/** A server with its standby, ended afterwards: then nothing of it may be left at all. */
async function asItComes(executions: number): Promise<void> {
  const server = await startServer()
  try {
    await server.admin.execute({ language: 'bash', code: 'true' })
    const cgroups = cgroupNameOf(server)
    report(await soakRoughly(server, executions, seed, say))
    const family = new Set(processesBelow(server.pid).map((entry) => entry.pid))
    assert.equal(await server.terminate(), 0, server.output())
    await eventually(() => allProcesses().every((entry) => !family.has(entry.pid)), {
      withinMs: 10_000,
      what: 'the end of every process',
    })
    assert.deepEqual([cgroupFolders(cgroups), mountsNaming('self', server.dataDir)], [[], []])
  } finally {
    await server.stop()
  }
}

async function withExactCounts(executions: number): Promise<void> {
  const server = await startServer({ env: { CLOCHE_POOL_STANDBY: 'false', CLOCHE_POOL_WARM_IDLE: '1s' } })
  try {
    report(await soakExactly(server, executions, seed + 1, say))
  } finally {
    await server.stop()
  }
}

say(`soak of ${count} executions, seed ${seed} (repeat with CLOCHE_TEST_SEED=${seed})`)
const begun = performance.now()
await asItComes(Math.round(count * 0.8))
await withExactCounts(Math.round(count * 0.2))
say(
  `soak passed: ${count} executions in ${((performance.now() - begun) / 1000).toFixed(0)} s, nothing left behind`,
)
