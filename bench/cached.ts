/** Cached mode: a warm sandbox of the same tenant, one client, HTTP to HTTP, beside the server's own empty answer. */
import { atMost, benchmark, of } from './support/benchmark.ts'
import { startPlatform } from './support/platform.ts'

const platform = await startPlatform()
const healthRequest = Buffer.from('GET /health HTTP/1.1\r\nhost: bench\r\n\r\n')
try {
  await benchmark('cached', 'a warm sandbox of the same tenant, one client', async (bench) => {
    const python = platform.execution(
      'python',
      { language: 'python', code: 'print("hello")', mode: 'cached' },
      'hello\n',
    )
    const node = platform.execution(
      'node',
      { language: 'javascript', code: 'console.log("hello")', mode: 'cached' },
      'hello\n',
    )
    const health = {
      name: 'GET /health',
      once: async () => (await platform.connection.send(healthRequest)).ms,
    }
    const summaries = await bench.race([python, node, health], 1000, 30)
    const floor = of(summaries, 'GET /health')
    for (const name of ['python', 'node']) {
      const ours = of(summaries, name)
      bench.row({
        what: `cached ${name}, request to response`,
        unit: 'ms',
        values: { p50: ours.p50, p99: ours.p99, 'GET /health p50': floor.p50, runs: ours.count },
        promised: [atMost('p50 in ms', ours.p50, 1.5), atMost('p99 in ms', ours.p99, 5)],
      })
    }
    bench.note(`start kinds ${JSON.stringify(python.startKinds)} ${JSON.stringify(node.startKinds)}`)
  })
} finally {
  await platform.close()
}
