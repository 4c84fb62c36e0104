/**
 * The launcher and init against bubblewrap, runc and crun making the same: every namespace, the same base tree as root,
 * own /proc and /dev, no capability, limits on memory, processes and CPU, the program `true` run to its end, everything
 * gone afterwards. bubblewrap makes no control groups: beside it alone stands bubblewrap with the limits that its caller's
 * shell must make, which is what compares. None of the peers gives its program an init that stays to be spoken to.
 */
import type { NativeDriver } from '../src/sandbox/native/driver.ts'
import { atMost, benchmark, beside, type Contestant, of } from './support/benchmark.ts'
import {
  bubblewrap,
  bubblewrapWithLimits,
  installPeers,
  ociRuntime,
  unshareCommand,
} from './support/peers.ts'
import { specFor, startDriver } from './support/sandboxes.ts'
import { summarize } from './support/statistics.ts'
import { stopwatch } from './support/stopwatch.ts'

interface Step {
  readonly ready: number[]
  readonly exited: number[]
  readonly destroyed: number[]
}

/** One sandbox made, `true` run in it, and all of it gone; the time of each step is kept. */
function ours(driver: NativeDriver, steps: Step): Contestant {
  return {
    name: 'cloche',
    async once() {
      const begun = performance.now()
      const sandbox = await driver.create(specFor('bare'))
      steps.ready.push(performance.now() - begun)
      const program = sandbox.exec({
        kind: 'argv',
        argv: ['/usr/bin/true'],
        env: {},
        cwd: '/workspace',
        stdin: false,
      })
      const { code } = await program.exited
      if (code !== 0) throw new Error(`true ended with ${code}`)
      steps.exited.push(performance.now() - begun)
      await sandbox.destroy()
      const whole = performance.now() - begun
      steps.destroyed.push(whole)
      return whole
    },
  }
}

installPeers()
const own = await startDriver()
const runc = ociRuntime('/usr/sbin/runc', ['true'])
const crun = ociRuntime('/usr/bin/crun', ['true'])
const bwrap = bubblewrap(['true'])
const bwrapLimited = bubblewrapWithLimits(['true'])
const unshare = stopwatch('unshare', unshareCommand)
const peers = [bwrapLimited, bwrap, crun.watch, runc.watch, unshare]
try {
  await benchmark(
    'sandbox',
    'launcher and init making a sandbox, running true, and leaving nothing',
    async (bench) => {
      await own.driver.start(['bare'])
      const steps: Step = { ready: [], exited: [], destroyed: [] }
      const summaries = await bench.race([ours(own.driver, steps), ...peers], 200, 20)
      const cloche = of(summaries, 'cloche')
      for (const peer of peers) {
        const other = of(summaries, peer.name)
        const promised =
          peer === unshare || peer === bwrap
            ? undefined
            : [
                atMost(`p50 against ${peer.name}'s`, cloche.p50, other.p50),
                atMost(`p99 against ${peer.name}'s`, cloche.p99, other.p99),
              ]
        bench.row({
          what: `make, run true, destroy; against ${peer.name}`,
          unit: 'ms',
          values: beside(cloche, peer.name, other),
          ...(promised === undefined ? {} : { promised }),
        })
      }
      const step = (samples: readonly number[]): number => summarize(samples.slice(20)).p50
      bench.row({
        what: 'since the order: init ready, program exited, everything gone (medians)',
        unit: 'ms',
        values: { ready: step(steps.ready), exited: step(steps.exited), gone: step(steps.destroyed) },
      })
    },
  )
} finally {
  for (const peer of peers) peer.close()
  runc.close()
  crun.close()
  await own.close()
}
