/** Where the time of an execution goes, to the hundredth of a millisecond, from the phases of its own answers. */
import { benchmark } from './support/benchmark.ts'
import { startPlatform } from './support/platform.ts'
import { summarize } from './support/statistics.ts'

const platform = await startPlatform()
try {
  await benchmark('phases', 'where the time goes, medians of 200 executions each', async (bench) => {
    const contestants = [
      platform.execution('python', { language: 'python', code: 'print("hello")' }, 'hello\n'),
      platform.execution('javascript', { language: 'javascript', code: 'console.log("hello")' }, 'hello\n'),
      platform.execution('shell', { language: 'shell', code: 'echo hello' }, 'hello\n'),
      platform.execution(
        'python cached',
        { language: 'python', code: 'print("hello")', mode: 'cached' },
        'hello\n',
      ),
      platform.execution(
        'javascript cached',
        { language: 'javascript', code: 'console.log("hello")', mode: 'cached' },
        'hello\n',
      ),
    ]
    for (const contestant of contestants) {
      const summaries = await bench.race([contestant], 200, 10)
      const counted = contestant.results.slice(10)
      const whole = summaries.get(contestant.name)?.p50 ?? Number.NaN
      const names = new Set(counted.flatMap((result) => Object.keys(result.phases)))
      const values: Record<string, number> = { 'request to response': whole }
      for (const name of names)
        values[name] = summarize(counted.map((result) => result.phases[name] ?? 0)).p50
      values['durationMs'] = summarize(counted.map((result) => result.durationMs)).p50
      values['HTTP, checks, record, reply'] = whole - values['durationMs']
      bench.row({
        what: `${contestant.name} (${Object.keys(contestant.startKinds).join(', ')})`,
        unit: 'ms',
        values,
      })
    }
  })
} finally {
  await platform.close()
}
