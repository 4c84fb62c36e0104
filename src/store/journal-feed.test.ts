import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { ClocheError } from '../model/errors.ts'
import { FakeClock } from '../std/clock.ts'
import { Journal, type JournalPoint, segmentsIn } from './journal.ts'
import { JournalFeed } from './journal-feed.ts'
import type { InputOf, OperationName, OutputOf } from './operations.ts'
import type { JournalBatch } from './tables/executions.ts'
import { tempDir } from './test-records.ts'

const START: JournalPoint = { segment: 0, position: 0 }

/** Takes batches as the database does, in order only, and refuses while it is full. */
class Taker {
  full = false
  reached = START
  readonly taken: string[] = []
  readonly batches: number[] = []

  async call<Name extends OperationName>(_name: Name, input: InputOf<Name>): Promise<OutputOf<Name>> {
    // The feed calls one operation only.
    const { bodies, from, to } = input as JournalBatch
    if (this.full) throw new ClocheError('storage_full', {})
    assert.deepEqual(from, this.reached)
    this.reached = to
    this.taken.push(...bodies)
    this.batches.push(bodies.length)
    return undefined as OutputOf<Name>
  }
}

async function feed(
  t: TestContext,
): Promise<{ dir: string; clock: FakeClock; taker: Taker; feed: JournalFeed; journal: Journal }> {
  const dir = await tempDir(t)
  const clock = new FakeClock()
  const taker = new Taker()
  const journal = new Journal(dir, 1, 0)
  t.after(() => journal.close())
  return { dir, clock, taker, journal, feed: new JournalFeed(journal, taker, clock, START) }
}

const records = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `{"n":${from + i}}`)

test('records wait for company, but not for long, and never for more than a full batch', async (t) => {
  const { clock, taker, feed: fed } = await feed(t)
  for (const record of records(10)) fed.append(record)
  await clock.advance(24)
  assert.deepEqual(taker.batches, [])
  await clock.advance(1)
  assert.deepEqual(taker.batches, [10])
  for (const record of records(600, 10)) fed.append(record)
  await clock.advance(0)
  assert.deepEqual(taker.batches, [10, 256, 256])
  await fed.flush()
  assert.deepEqual(taker.taken, records(610))
})

test('while the database takes nothing, records wait in order, and all of them get there later', async (t) => {
  const { clock, taker, feed: fed } = await feed(t)
  taker.full = true
  for (const record of records(600)) fed.append(record)
  await assert.rejects(fed.flush(), { code: 'storage_full' })
  assert.equal(fed.pendingRecords, 600)
  for (const record of records(10, 600)) fed.append(record)
  await clock.advance(5000)
  assert.deepEqual(taker.taken, [])
  taker.full = false
  await clock.advance(1000)
  assert.deepEqual(taker.taken, records(610))
  assert.deepEqual([fed.pendingRecords, fed.pendingBytes], [0, 0])
})

test('what may wait is bounded, and whoever comes after that is told', async (t) => {
  const { dir, clock, taker, feed: fed } = await feed(t)
  taker.full = true
  const megabyte = `"${'x'.repeat(1024 ** 2)}"`
  assert.throws(
    () => {
      for (let i = 0; i < 100; i++) fed.append(megabyte)
    },
    { code: 'storage_full' },
  )
  assert.ok(fed.pendingBytes < 66 * 1024 ** 2)
  await clock.advance(3000)
  assert.ok(segmentsIn(dir).length > 10, 'what the database does not have stays in the journal')
  taker.full = false
  await fed.flush()
  assert.ok(
    taker.batches.every((count) => count <= 4),
    'batches are bounded by bytes too',
  )
  fed.append(megabyte)
  fed.stop()
})
