/* Run by crash.test.ts as a process of its own: writes all that a store can, says what was acknowledged, until killed. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { openBlobFolder } from '../blobs/folder.ts'
import { transition } from '../model/execution.ts'
import type { TenantId } from '../model/ids.ts'
import { randomName } from '../std/ids.ts'
import { openStore } from './store.ts'
import { accepted, running } from './test-records.ts'

const [, , dir = '', tenant = ''] = process.argv
// Made by the test that starts this.
const tenantId = tenant as TenantId
const store = await openStore(join(dir, 'cloche.db'))
const blobs = await openBlobFolder(join(dir, 'blobs'))

/** In the kernel's hands when it returns, so that a kill cannot take back what was said. */
function say(...words: (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`)
}

async function durableOnes(): Promise<never> {
  for (;;) {
    const first = accepted(tenantId)
    await store.executions.accept(first)
    say('record', first.id, first.revision)
    const second = transition(first, 'running', Date.now())
    await store.executions.commit(second)
    say('record', second.id, second.revision)
    const third = transition(second, 'succeeded', Date.now(), { exitCode: 0 })
    await store.executions.commit(third)
    say('record', third.id, third.revision)
    if (third.id.endsWith('0') && (await store.executions.delete(tenantId, third.id)))
      say('deleted', third.id)
  }
}

async function appendedOnes(): Promise<never> {
  for (;;) {
    for (let i = 0; i < 5; i++) {
      const begun = running(tenantId)
      store.executions.append(begun)
      say('record', begun.id, begun.revision)
      const ended = transition(begun, 'failed', Date.now(), { exitCode: 1 })
      store.executions.append(ended)
      say('record', ended.id, ended.revision)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function blobsToo(): Promise<never> {
  for (;;) {
    const { hash } = await blobs.put(Buffer.from(randomName(32).repeat(500)), { durable: true })
    say('blob', hash)
  }
}

say('open')
await Promise.all([durableOnes(), durableOnes(), durableOnes(), appendedOnes(), blobsToo()])
