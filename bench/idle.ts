/** What the server costs when nobody calls: resident memory and CPU, its children told apart. */

import { setTimeout as delay } from 'node:timers/promises'
import { cpuTicks, processesBelow, residentBytes } from '../test/support/host-state.ts'
import { startServer } from '../test/support/server.ts'
import { atMost, benchmark } from './support/benchmark.ts'

const seconds = 30
const server = await startServer()
try {
  await benchmark(
    'idle',
    `the server after a first request, over ${seconds} s without any`,
    async (bench) => {
      for (const language of ['python', 'javascript', 'bash'])
        await server.admin.execute({ language, code: language === 'bash' ? 'true' : '1' })
      await delay(10_000)
      const family = processesBelow(server.pid)
      const before = cpuTicks(server.pid)
      const familyBefore = family.reduce((total, entry) => total + cpuTicks(entry.pid), 0)
      await delay(seconds * 1000)
      const percent = ((cpuTicks(server.pid) - before) * 10) / (seconds * 10)
      const familyPercent =
        ((family.reduce((total, entry) => total + cpuTicks(entry.pid), 0) - familyBefore) * 10) /
        (seconds * 10)
      const resident = residentBytes(server.pid) / 2 ** 20
      bench.row({
        what: 'idle server',
        unit: 'MB and % of one CPU',
        values: {
          'server RSS': resident,
          'server CPU': percent,
          'launcher, zygotes and standby CPU': familyPercent,
          'processes below': family.length,
          'bare Node RSS of this process': residentBytes(process.pid) / 2 ** 20,
        },
        promised: [atMost('server RSS in MB', resident, 80), atMost('server CPU in %', percent, 0.5)],
      })
    },
  )
} finally {
  await server.stop()
}
