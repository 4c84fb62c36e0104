/**
 * The long soak: 20,000 executions (or as many as the first argument says), then counts of processes, mounts, cgroups,
 * open files and memory must be those of before. Prints what it did; ends with 1 if anything was left behind.
 */
import assert from 'node:assert/strict'
import { chosenSeed } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'
import { soak } from '../support/soak.ts'

const count = Number(process.argv[2] ?? 20_000)
const seed = chosenSeed()
console.log(`soak of ${count} executions, seed ${seed} (repeat with CLOCHE_TEST_SEED=${seed})`)
const server = await startServer()
try {
  const result = await soak(server, count, seed, (line) => console.log(line))
  console.log(JSON.stringify(result, null, 2))
  assert.ok(
    result.serverGrowthBytes < 64 * 1024 * 1024,
    `the server grew by ${result.serverGrowthBytes} bytes`,
  )
  assert.ok(
    result.memAvailableDropBytes < 256 * 1024 * 1024,
    `the machine lost ${result.memAvailableDropBytes} bytes`,
  )
  console.log(
    `soak passed: ${(count / result.seconds).toFixed(1)} executions per second, nothing left behind`,
  )
} finally {
  await server.stop()
}
