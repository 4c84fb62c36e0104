import assert from 'node:assert/strict'
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import test from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Journal, readSegment, segmentsIn } from './journal.ts'
import { tempDir } from './test-records.ts'

const path = (dir: string): string => segmentsIn(dir).at(-1)?.path ?? ''
const readAll = (dir: string): string[] =>
  segmentsIn(dir).flatMap((segment) => readSegment(segment, 0).records)

test('what was appended is read back in order, by anyone, at once', async (t) => {
  const dir = await tempDir(t)
  const journal = new Journal(dir, 1, 0)
  t.after(() => journal.close())
  const records = ['{"a":1}', '{"text":"zwölf Boxkämpfer \\n 🥊"}', `{"long":"${'x'.repeat(100_000)}"}`]
  for (const record of records) journal.append(record)
  assert.deepEqual(readAll(dir), records)
  assert.deepEqual(journal.point, { segment: 1, position: statSync(path(dir)).size })
  assert.equal(statSync(path(dir)).mode & 0o777, 0o600)
})

test('a torn tail is left out wherever it was torn', async (t) => {
  const dir = await tempDir(t)
  const journal = new Journal(dir, 1, 0)
  journal.append('{"first":1}')
  const { position } = journal.point
  journal.append('{"second":2}')
  journal.close()
  const whole = readFileSync(path(dir))
  for (let length = position + 1; length < whole.length; length++) {
    truncateSync(path(dir), length)
    const [segment] = segmentsIn(dir)
    assert.ok(segment)
    const read = readSegment(segment, 0)
    assert.deepEqual([read.records, read.unreadable], [['{"first":1}'], 1], `torn at ${length}`)
    writeFileSync(path(dir), whole)
  }
})

test('damage costs the line it hits, not those after it', async (t) => {
  const dir = await tempDir(t)
  const journal = new Journal(dir, 1, 0)
  for (const record of ['{"a":1}', '{"b":2}', '{"c":3}']) journal.append(record)
  journal.close()
  const bytes = readFileSync(path(dir))
  bytes.write('9', bytes.indexOf('2'))
  writeFileSync(path(dir), bytes)
  appendFileSync(path(dir), 'not a line of ours\n')
  const [segment] = segmentsIn(dir)
  assert.ok(segment)
  assert.deepEqual(readSegment(segment, 0), {
    records: ['{"a":1}', '{"c":3}'],
    unreadable: 2,
    end: { segment: 1, position: statSync(path(dir)).size },
  })
})

test('a full file is followed by the next, and files the database has are removed, never the one in use', async (t) => {
  const dir = await tempDir(t)
  const journal = new Journal(dir, 1, 0)
  t.after(() => journal.close())
  const megabyte = `"${'x'.repeat(1024 ** 2)}"`
  for (let i = 0; i < 10; i++) journal.append(megabyte)
  assert.deepEqual(
    segmentsIn(dir).map(({ segment }) => segment),
    [1, 2, 3],
  )
  assert.equal(readAll(dir).length, 10)
  journal.discardBefore({ segment: 9, position: 0 })
  while (segmentsIn(dir).length > 1) await wait(1)
  assert.deepEqual(
    segmentsIn(dir).map(({ segment }) => segment),
    [3],
  )
})
