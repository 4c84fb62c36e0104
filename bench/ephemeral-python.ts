/** An ephemeral Python "hello", HTTP request to response, beside `docker run` of the same and the command `unshare`. */
import { atLeast, atMost, benchmark, beside, of } from './support/benchmark.ts'
import { installPeers, startDocker, unshareCommand } from './support/peers.ts'
import { startPlatform } from './support/platform.ts'
import { stopwatch } from './support/stopwatch.ts'

installPeers()
const platform = await startPlatform()
const docker = await startDocker()
const unshare = stopwatch('unshare', unshareCommand)
const dockerRun = docker.run('docker run', ['python3', '-c', 'print("hello")'])
try {
  await benchmark('ephemeral-python', 'a fresh sandbox for each "hello" in Python', async (bench) => {
    const ours = platform.execution('cloche', { language: 'python', code: 'print("hello")' }, 'hello\n')
    const summaries = await bench.race([ours, unshare, { ...dockerRun, everyRounds: 10 }], 400, 20)
    const cloche = of(summaries, 'cloche')
    const floor = of(summaries, 'unshare')
    const peer = of(summaries, 'docker run')
    bench.row({
      what: 'ephemeral Python against docker run (40 runs, it is slow)',
      unit: 'ms',
      values: { ...beside(cloche, 'docker run', peer), 'times faster': peer.p50 / cloche.p50 },
      promised: [atLeast('times faster than docker run at p50', peer.p50 / cloche.p50, 35)],
    })
    bench.row({
      what: 'ephemeral Python against unshare … true',
      unit: 'ms',
      values: { ...beside(cloche, 'unshare', floor), 'p99 to unshare p50': cloche.p99 / floor.p50 },
      promised: [
        atMost('p50 over unshare p50', cloche.p50 / floor.p50, 2.2),
        atMost('p99 over unshare p50', cloche.p99 / floor.p50, 5),
      ],
    })
    bench.note(`start kinds ${JSON.stringify(ours.startKinds)}`)
  })
} finally {
  unshare.close()
  dockerRun.close()
  await docker.close()
  await platform.close()
}
