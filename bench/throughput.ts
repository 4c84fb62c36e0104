/** Sustained ephemeral Python executions a second, beside as many `unshare` commands as the machine can run. */
import { atLeast, atMost, benchmark } from './support/benchmark.ts'
import { openLoadConnection, prepared } from './support/http-load.ts'
import { unshareCommand } from './support/peers.ts'
import { startPlatform } from './support/platform.ts'
import { summarize } from './support/statistics.ts'
import { stopwatch } from './support/stopwatch.ts'

const seconds = 12
const platform = await startPlatform()

interface Sustained {
  readonly perSecond: number
  readonly latencies: number[]
  readonly errors: number
}

async function sustain(workers: number, once: (worker: number) => Promise<number>): Promise<Sustained> {
  const latencies: number[] = []
  let errors = 0
  const begun = performance.now()
  const worker = async (_: unknown, index: number): Promise<void> => {
    while (performance.now() - begun < seconds * 1000) {
      try {
        latencies.push(await once(index))
      } catch {
        errors++
      }
    }
  }
  await Promise.all(Array.from({ length: workers }).map(worker))
  return { perSecond: latencies.length / ((performance.now() - begun) / 1000), latencies, errors }
}

async function ours(clients: number): Promise<Sustained> {
  const { server } = platform
  const request = prepared(server.endpoint, server.adminKey, '/api/v1/execute', {
    language: 'python',
    code: 'print("hello")',
  })
  const connections = await Promise.all(
    Array.from({ length: clients }, () => openLoadConnection(server.endpoint)),
  )
  const result = await sustain(clients, async (index) => {
    const answer = await connections[index]?.send(request)
    if (answer === undefined || answer.status !== 200 || !answer.body.includes('"hello\\n"'))
      throw new Error('not a hello')
    return answer.ms
  })
  for (const connection of connections) connection.close()
  return result
}

async function floor(workers: number): Promise<Sustained> {
  const watches = Array.from({ length: workers }, () => stopwatch('unshare', unshareCommand))
  const result = await sustain(workers, async (index) => (await watches[index]?.once()) ?? 0)
  for (const watch of watches) watch.close()
  return result
}

try {
  await benchmark('throughput', `sustained ephemeral Python, ${seconds} s each`, async (bench) => {
    await ours(4) // warms the pools; not counted
    let best = 0
    let errors = 0
    for (const clients of [1, 2, 4, 8, 16]) {
      const run = await ours(clients)
      const peer = await floor(clients)
      const latency = summarize(run.latencies)
      best = Math.max(best, run.perSecond)
      errors += run.errors
      bench.row({
        what: `${clients} in parallel`,
        unit: 'per second',
        values: {
          cloche: run.perSecond,
          'p50 ms': latency.p50,
          'p99 ms': latency.p99,
          errors: run.errors,
          'unshare … true': peer.perSecond,
          ratio: run.perSecond / peer.perSecond,
        },
      })
    }
    bench.row({
      what: 'best sustained rate of ephemeral Python',
      unit: 'per second',
      values: { cloche: best, errors },
      promised: [atLeast('executions per second', best, 150), atMost('errors', errors, 0)],
    })
  })
} finally {
  await platform.close()
}
