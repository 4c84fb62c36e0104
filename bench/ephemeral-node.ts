/** An ephemeral Node 24 "hello", HTTP request to response, beside a bare `node -e 0` of the same version. */
import { node24Path } from '../test/support/requirements.ts'
import { atMost, benchmark, beside, of } from './support/benchmark.ts'
import { startPlatform } from './support/platform.ts'
import { stopwatch } from './support/stopwatch.ts'

const platform = await startPlatform()
const bare = stopwatch('node -e 0', [node24Path, '-e', '0'])
try {
  await benchmark('ephemeral-node', 'a fresh sandbox for each "hello" in Node 24', async (bench) => {
    const code = 'console.log("hello")'
    const warm = platform.execution('cloche', { language: 'javascript', code }, 'hello\n')
    const typescript = platform.execution(
      'typescript',
      { language: 'typescript', code: 'const w: string = "hello"; console.log(w)' },
      'hello\n',
    )
    const cold = platform.execution('cold', { command: ['node', '-e', '0'] }, '')
    const summaries = await bench.race([warm, cold, typescript, bare], 200, 20)
    const floor = of(summaries, 'node -e 0')
    const fast = of(summaries, 'cloche')
    const slow = of(summaries, 'cold')
    bench.row({
      what: 'ephemeral Node, forked or standby, against bare node -e 0',
      unit: 'ms',
      values: beside(fast, 'node -e 0', floor),
      promised: [atMost('p50 over bare node p50', fast.p50 / floor.p50, 0.4)],
    })
    bench.row({
      what: 'ephemeral Node, cold (the program node -e 0 in a fresh sandbox), against bare node -e 0',
      unit: 'ms',
      values: beside(slow, 'node -e 0', floor),
      promised: [atMost('p50 over bare node p50', slow.p50 / floor.p50, 1.6)],
    })
    bench.row({
      what: 'ephemeral TypeScript, types stripped on the way',
      unit: 'ms',
      values: beside(of(summaries, 'typescript'), 'node -e 0', floor),
    })
    bench.note(`start kinds ${JSON.stringify(warm.startKinds)}, cold ${JSON.stringify(cold.startKinds)}`)
  })
} finally {
  bare.close()
  await platform.close()
}
