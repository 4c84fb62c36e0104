/** Nothing stays behind: after a mixed load, after concurrency, after a stop. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import {
  allProcesses,
  cgroupFolders,
  cgroupNameOf,
  hostCounts,
  mountsNaming,
  processesBelow,
} from '../support/host-state.ts'
import { chosenSeed } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'
import { assertBackTo, settledCounts, soakExactly } from '../support/soak.ts'

// without standby every sandbox there is belongs to a run, so that the counts can be demanded exactly
const server = await startServer({
  env: { CLOCHE_POOL_STANDBY: 'false', CLOCHE_POOL_WARM_IDLE: '1s', CLOCHE_HTTP_KEEP_ALIVE: '5s' },
})
after(() => server.stop())

test('five hundred mixed executions, hostile ones among them, leave the machine as it was', async (t) => {
  const seed = chosenSeed()
  t.diagnostic(`seed ${seed}`)
  const result = await soakExactly(server, 500, seed, () => {})
  t.diagnostic(`${JSON.stringify(result.byStatus)} in ${result.seconds.toFixed(1)} s`)
  assert.ok(
    result.serverGrowthBytes < 64 * 1024 * 1024,
    `the server grew by ${result.serverGrowthBytes} bytes`,
  )
})

test('two hundred executions in flight at once all answer, and all go', async () => {
  const cgroups = cgroupNameOf(server)
  const before = await settledCounts(server, cgroups)
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      server.admin.execute({
        language: 'python',
        code: `import time\ntime.sleep(1)\nprint(${n})`,
        timeoutMs: 60_000,
      }),
    ),
  )
  for (const [n, answer] of answers.entries())
    assert.deepEqual([answer.status, answer.stdout], ['succeeded', `${n}\n`])
  await assertBackTo(server, cgroups, before)
})

test('a stop leaves no process, mount, cgroup or temp folder', async () => {
  const own = await startServer()
  const tempBefore = new Set(readdirSync(tmpdir()))
  const pending = Promise.allSettled(
    Array.from({ length: 10 }, () =>
      own.admin.execute({ language: 'python', code: 'import time\ntime.sleep(30)' }),
    ),
  )
  await own.admin.execute({ language: 'javascript', code: '1' })
  await eventually(() => processesBelow(own.pid).length > 10, { withinMs: 10_000, what: 'running sandboxes' })
  const cgroups = cgroupNameOf(own)
  assert.ok(hostCounts(own, cgroups).cgroups > 0)
  const family = new Set(processesBelow(own.pid).map((entry) => entry.pid))
  assert.equal(await own.terminate(), 0, own.output())
  await pending
  await eventually(() => allProcesses().every((entry) => !family.has(entry.pid)), {
    withinMs: 5000,
    what: 'no process',
  })
  assert.deepEqual(cgroupFolders(cgroups), [])
  assert.deepEqual(mountsNaming('self', own.dataDir), [])
  const left = readdirSync(tmpdir()).filter(
    (name) => !tempBefore.has(name) && /cloche/.test(name) && !/cloche-(test|network|program)-/.test(name),
  )
  assert.deepEqual(left, [])
  assert.ok(existsSync(own.dataDir))
  await own.stop().catch(() => {})
})
