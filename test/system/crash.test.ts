/**
 * `kill -9` at seeded random points under load: of the server, and of the launcher. After the next start nothing that
 * was accepted is lost or run twice, and nothing of the dead server is left on the machine.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { JsonObject } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import {
  allProcesses,
  cgroupFolders,
  cgroupNameOf,
  launcherOf,
  mountsNaming,
  processesBelow,
} from '../support/host-state.ts'
import { chosenSeed, type Seeded, seeded } from '../support/seeded.ts'
import { startServer, type TestServer } from '../support/server.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'cloche-test-crash-'))
after(() => rmSync(dataDir, { recursive: true, force: true }))
const ended = new Set(['succeeded', 'failed', 'timeout', 'oom', 'killed', 'cancelled', 'error'])

interface Load {
  readonly accepted: Set<string>
  readonly answered: Map<string, string>
  stop(): Promise<void>
}

/** Sends asynchronous and synchronous executions until stopped or until the server is gone. */
function startLoad(server: TestServer, random: Seeded): Load {
  const accepted = new Set<string>()
  const answered = new Map<string, string>()
  let stopped = false
  const worker = async (): Promise<void> => {
    while (!stopped) {
      const async = random.chance(0.6)
      const seconds = random.pick([0, 0, 0.05, 0.3])
      const body = { language: 'python', code: `import time\ntime.sleep(${seconds})\nprint("done")` }
      try {
        const reply = await server.admin.call('POST', '/api/v1/execute', {
          body,
          headers: async ? { prefer: 'respond-async' } : {},
        })
        if (reply.status === 202) accepted.add(String(reply.json()['executionId']))
        if (reply.status === 200)
          answered.set(String(reply.json()['executionId']), String(reply.json()['status']))
      } catch {
        return // the server was killed under this request, as planned
      }
    }
  }
  const workers = Array.from({ length: 6 }, worker)
  return {
    accepted,
    answered,
    async stop() {
      stopped = true
      await Promise.all(workers)
    },
  }
}

async function recordOf(server: TestServer, id: string): Promise<JsonObject | undefined> {
  const reply = await server.admin.call('GET', `/api/v1/executions/${id}`)
  return reply.status === 200 ? reply.json() : undefined
}

async function assertNothingLost(server: TestServer, accepted: ReadonlySet<string>): Promise<void> {
  for (const id of accepted) {
    const record = await eventually(
      async () => {
        const found = await recordOf(server, id)
        assert.ok(found !== undefined, `${id} was accepted and is lost`)
        return ended.has(String(found['status'])) ? found : undefined
      },
      { withinMs: 30_000, what: `the end of ${id}` },
    )
    if (record['status'] === 'succeeded') assert.equal(record['stdout'], 'done\n')
  }
}

async function assertNothingLeft(family: ReadonlySet<number>, cgroups: RegExp): Promise<void> {
  await eventually(() => allProcesses().every((entry) => !family.has(entry.pid) || entry.state === 'Z'), {
    withinMs: 15_000,
    what: 'the end of every process of the dead server',
  })
  await eventually(() => cgroupFolders(cgroups).length === 0 && mountsNaming('self', dataDir).length === 0, {
    withinMs: 15_000,
    what: `no cgroup or mount of the dead server; there are ${cgroupFolders(cgroups)} ${mountsNaming('self', dataDir)}`,
  })
}

test('kill -9 of the server at random points: accepted executions survive, the machine is clean', async (t) => {
  const random = seeded(chosenSeed())
  t.diagnostic(`seed ${random.seed} (repeat with CLOCHE_TEST_SEED=${random.seed})`)
  for (let round = 0; round < 5; round++) {
    const server = await startServer({ dataDir })
    await server.admin.execute({ language: 'bash', code: 'true' })
    const cgroups = cgroupNameOf(server)
    const load = startLoad(server, random)
    await delay(random.int(20, 1500)) // the seeded crash point
    const family = new Set(processesBelow(server.pid).map((entry) => entry.pid))
    await server.kill()
    await load.stop()
    await eventually(() => allProcesses().every((entry) => !family.has(entry.pid) || entry.state === 'Z'), {
      withinMs: 15_000,
      what: 'the launcher to end what it had started',
    })
    const next = await startServer({ dataDir })
    try {
      await assertNothingLost(next, load.accepted)
      assert.equal((await next.admin.execute({ language: 'python', code: 'print(1)' })).stdout, '1\n')
      t.diagnostic(
        `round ${round}: ${load.accepted.size} accepted, ${load.answered.size} answered, none lost`,
      )
    } finally {
      await next.terminate()
    }
    await assertNothingLeft(family, cgroups)
  }
})

test('kill -9 of server and launcher together: the next start cleans what both left', async (t) => {
  const random = seeded(chosenSeed() ^ 0x5eed)
  t.diagnostic(`seed ${random.seed}`)
  for (let round = 0; round < 3; round++) {
    const server = await startServer({ dataDir })
    await server.admin.execute({ language: 'bash', code: 'true' })
    const cgroups = cgroupNameOf(server)
    const load = startLoad(server, random)
    await delay(random.int(50, 800)) // the seeded crash point
    const family = new Set(processesBelow(server.pid).map((entry) => entry.pid))
    process.kill(launcherOf(server).pid, 'SIGKILL')
    await server.kill()
    await load.stop()
    const next = await startServer({ dataDir })
    try {
      await assertNothingLost(next, load.accepted)
    } finally {
      await next.terminate()
    }
    await assertNothingLeft(family, cgroups)
  }
})

test('kill -9 of the launcher alone: running executions end honestly and new ones run again', async (t) => {
  const random = seeded(chosenSeed() ^ 0x1a)
  t.diagnostic(`seed ${random.seed}`)
  const server = await startServer({ dataDir })
  try {
    await server.admin.execute({ language: 'bash', code: 'true' })
    for (let round = 0; round < 3; round++) {
      const load = startLoad(server, random)
      await delay(random.int(50, 600)) // the seeded crash point
      process.kill(launcherOf(server).pid, 'SIGKILL')
      await load.stop()
      const revived = await eventually(
        async () => {
          const reply = await server.admin.call('POST', '/api/v1/execute', {
            body: { language: 'python', code: 'print("back")' },
          })
          return reply.status === 200 && reply.json()['stdout'] === 'back\n' ? true : undefined
        },
        { withinMs: 20_000, everyMs: 200, what: 'executions after the launcher was killed' },
      )
      assert.ok(revived)
      await assertNothingLost(server, load.accepted)
    }
  } finally {
    await server.terminate()
  }
})

test('a second server on the same data folder is refused while the first one lives', async () => {
  const server = await startServer({ dataDir })
  try {
    await assert.rejects(startServer({ dataDir }), /store_in_use/)
    assert.equal((await server.admin.execute({ language: 'bash', code: 'echo on' })).stdout, 'on\n')
  } finally {
    await server.terminate()
  }
})
