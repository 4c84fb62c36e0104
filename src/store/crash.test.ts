import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openBlobFolder } from '../blobs/folder.ts'
import type { BlobHash, TenantId } from '../model/ids.ts'
import { openStore, type Store } from './store.ts'
import { tempDir, tenantId } from './test-records.ts'

const KILLS = 30
const WRITER = new URL('./crash-writer.ts', import.meta.url).pathname
/** Set CRASH_SEED to repeat the kills of a failed run. */
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000)

/** What the writers were told is kept. */
interface Acknowledged {
  readonly revisions: Map<string, number>
  readonly deleted: Set<string>
  readonly blobs: Set<string>
}

test(`nothing acknowledged is lost over ${KILLS} kills at random moments (seed ${SEED})`, async (t) => {
  const dir = await tempDir(t)
  const tenant = tenantId()
  const random = randomFrom(SEED)
  const told: Acknowledged = { revisions: new Map(), deleted: new Set(), blobs: new Set() }
  let replayed = 0
  for (let kill = 0; kill < KILLS; kill++) {
    note(told, await writeUntilKilled(dir, tenant, random))
    const store = await openStore(join(dir, 'cloche.db'))
    replayed += store.stats().replayedRecords
    try {
      await checkRecords(store, tenant, told, `kill ${kill}`)
    } finally {
      await store.close()
    }
  }
  await checkBlobs(join(dir, 'blobs'), told)
  assert.ok(replayed > 0, 'some kills came between the journal and the database')
  t.diagnostic(`${told.revisions.size} records, ${told.blobs.size} blobs, ${replayed} replayed`)

  const again = await openStore(join(dir, 'cloche.db'))
  t.after(() => again.close())
  assert.equal(again.stats().replayedRecords, 0)
  await checkRecords(again, tenant, told, 'opened once more')
})

async function writeUntilKilled(dir: string, tenant: TenantId, random: () => number): Promise<string> {
  // A file and not a pipe: it is never full, and what was said stays said.
  const saidPath = join(dir, 'said')
  const said = await open(saidPath, 'w')
  const child = spawn(process.execPath, [WRITER, dir, tenant], { stdio: ['ignore', said.fd, 'inherit'] })
  await said.close()
  const exit = once(child, 'exit')
  // One in six is killed while it starts: opening, replaying and migrating must survive that too.
  const startMs = random() < 1 / 6 ? random() * 150 : undefined
  while (startMs === undefined && child.exitCode === null && (await stat(saidPath)).size === 0) await wait(1)
  await wait(startMs ?? random() * 120)
  child.kill('SIGKILL')
  await exit
  assert.equal(child.signalCode, 'SIGKILL', 'the writer ends by the kill only')
  return readFile(saidPath, 'utf8')
}

function note(told: Acknowledged, output: string): void {
  for (const line of output.split('\n')) {
    const [kind, id = '', revision] = line.split(' ')
    if (kind === 'record') told.revisions.set(id, Number(revision))
    if (kind === 'deleted') told.deleted.add(id)
    if (kind === 'blob') told.blobs.add(id)
  }
}

async function checkRecords(store: Store, tenant: TenantId, told: Acknowledged, when: string): Promise<void> {
  const found = new Map<string, number>()
  let cursor: string | undefined
  do {
    const page = await store.executions.list(tenant, { limit: 1000, cursor })
    for (const record of page.items) found.set(record.id, record.revision)
    cursor = page.cursor ?? undefined
  } while (cursor)
  for (const id of told.deleted) assert.ok(!found.has(id), `${when}: ${id} was deleted and is back`)
  for (const [id, revision] of told.revisions) {
    if (told.deleted.has(id)) continue
    const kept = found.get(id)
    // A delete that was not acknowledged any more may have been done.
    if (kept === undefined && id.endsWith('0') && revision === 2) continue
    assert.ok(kept !== undefined, `${when}: ${id} is lost`)
    assert.ok(kept >= revision, `${when}: ${id} went back from ${revision} to ${kept}`)
  }
}

async function checkBlobs(dir: string, told: Acknowledged): Promise<void> {
  const blobs = await openBlobFolder(dir)
  for (const hash of told.blobs) assert.ok(await blobs.get(hash as BlobHash), `blob ${hash} is lost`)
  assert.deepEqual(await readdir(join(dir, 'incoming')), [])
}

/** Mulberry32: the same moments for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
