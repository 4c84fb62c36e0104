/**
 * 1,200 executions really in flight: each starts, says so, and waits for a line on its standard input, which is sent
 * only once the server's own gauge shows all of them running.
 */

import { eventually } from '../test/support/eventually.ts'
import { memAvailableBytes } from '../test/support/host-state.ts'
import { startServer } from '../test/support/server.ts'
import { type StreamSession, startInStream } from '../test/support/stream.ts'
import { atLeast, atMost, benchmark } from './support/benchmark.ts'
import { metric } from './support/platform.ts'

const wanted = Number(process.argv[2] ?? 1200)
const server = await startServer()
const request = {
  language: 'python',
  code: 'print("waiting", flush=True)\nprint("released", input())',
  timeoutMs: 600_000,
  resources: { memoryMb: 64, cpuCores: 0.5 },
}

try {
  await benchmark('in-flight', `${wanted} executions in flight at once`, async (bench) => {
    const memoryBefore = memAvailableBytes()
    const begun = performance.now()
    const sessions: StreamSession[] = []
    const startOne = async (): Promise<void> => {
      const session = await startInStream(server, request)
      await session.output('waiting', 120_000)
      sessions.push(session)
    }
    const remaining = { count: wanted }
    const worker = async (): Promise<void> => {
      while (remaining.count-- > 0) await startOne()
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    const startedMs = performance.now() - begun
    const gauge = await eventually(
      async () => {
        const running = await metric(server, 'cloche_executions_running')
        return running >= wanted ? running : undefined
      },
      { withinMs: 60_000, what: `a gauge of ${wanted}` },
    )
    const memoryUsed = memoryBefore - memAvailableBytes()
    const releasedAt = performance.now()
    for (const session of sessions)
      session.send({ type: 'stdin', data: Buffer.from('go\n').toString('base64') })
    let errors = 0
    for (const session of sessions) {
      const exit = await session.next('exit', 120_000)
      if (exit['exitCode'] !== 0 || !session.bytes('stdout').toString().includes('released go')) errors++
    }
    bench.row({
      what: `${wanted} Python executions waiting at once, then released`,
      unit: 'counts and seconds',
      values: {
        'gauge showed': gauge,
        errors,
        'starts per second': (wanted / startedMs) * 1000,
        'seconds to start all': startedMs / 1000,
        'seconds to finish all': (performance.now() - releasedAt) / 1000,
        'MB of MemAvailable each': memoryUsed / wanted / 1e6,
      },
      promised: [atLeast('in flight by the gauge', gauge, wanted), atMost('errors', errors, 0)],
    })
  })
} finally {
  await server.stop()
}
