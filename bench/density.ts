/** A thousand idle sandboxes alive at once: what each takes from MemAvailable, bare and with a warm interpreter up. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RuntimeName, Sandbox } from '../src/sandbox/driver.ts'
import { memAvailableBytes } from '../test/support/host-state.ts'
import { atMost, type Benchmark, benchmark } from './support/benchmark.ts'
import { specFor, startDriver } from './support/sandboxes.ts'

const count = Number(process.argv[2] ?? 1000)

/** MemAvailable once it has stopped moving. */
async function settledMemory(): Promise<number> {
  let last = memAvailableBytes()
  for (let quiet = 0; quiet < 3; ) {
    await delay(500)
    const now = memAvailableBytes()
    quiet = Math.abs(now - last) < 4 * 2 ** 20 ? quiet + 1 : 0
    last = now
  }
  return last
}

async function measure(bench: Benchmark, runtime: RuntimeName, limitMb: number | undefined): Promise<void> {
  const { driver, close } = await startDriver()
  try {
    await driver.start([runtime])
    await (await driver.create(specFor(runtime))).destroy()
    const before = await settledMemory()
    const sandboxes: Sandbox[] = []
    const begun = performance.now()
    const remaining = { count }
    const worker = async (): Promise<void> => {
      while (remaining.count-- > 0) sandboxes.push(await driver.create(specFor(runtime)))
    }
    await Promise.all(Array.from({ length: 4 }, worker))
    const createdMs = performance.now() - begun
    const each = (before - (await settledMemory())) / count / 1e6
    const destroyedAt = performance.now()
    await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()))
    bench.row({
      what: `${count} idle sandboxes, ${runtime}`,
      unit: 'MB of MemAvailable each, seconds',
      values: {
        'MB each': each,
        'seconds to create all': createdMs / 1000,
        'seconds to destroy all': (performance.now() - destroyedAt) / 1000,
        alive: sandboxes.length,
      },
      ...(limitMb === undefined ? {} : { promised: [atMost('MB each', each, limitMb)] }),
    })
  } finally {
    await close()
  }
}

await benchmark('density', 'idle sandboxes alive at once, by the drop of MemAvailable', async (bench) => {
  await measure(bench, 'bare', 0.8)
  await measure(bench, 'python', 3)
  await measure(bench, 'node', undefined)
})
