/** An ephemeral shell "hello", HTTP request to response, beside the command `unshare` with all namespaces. */
import { atMost, benchmark, beside, of } from './support/benchmark.ts'
import { unshareCommand } from './support/peers.ts'
import { startPlatform } from './support/platform.ts'
import { stopwatch } from './support/stopwatch.ts'

const platform = await startPlatform()
const unshare = stopwatch('unshare', unshareCommand)
try {
  await benchmark('ephemeral-shell', 'a fresh sandbox for each "hello" of a shell', async (bench) => {
    const shell = platform.execution('shell', { language: 'shell', code: 'echo hello' }, 'hello\n')
    const bash = platform.execution('bash', { language: 'bash', code: 'echo hello' }, 'hello\n')
    const summaries = await bench.race([shell, bash, unshare], 400, 20)
    const floor = of(summaries, 'unshare')
    for (const name of ['shell', 'bash']) {
      const ours = of(summaries, name)
      bench.row({
        what: `ephemeral ${name} against unshare … true`,
        unit: 'ms',
        values: beside(ours, 'unshare', floor),
        ...(name === 'shell'
          ? { promised: [atMost('p50 over unshare p50', ours.p50 / floor.p50, 1.8)] }
          : {}),
      })
    }
    bench.note(`start kinds ${JSON.stringify(shell.startKinds)} ${JSON.stringify(bash.startKinds)}`)
  })
} finally {
  unshare.close()
  await platform.close()
}
