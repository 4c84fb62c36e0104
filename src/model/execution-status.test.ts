import assert from 'node:assert/strict'
import test from 'node:test'
import { EXECUTION_STATUSES, FINAL_STATUSES, isFinal, LIVE_STATUSES, mayFollow } from './execution-status.ts'

test('exactly these steps are possible, out of every pair', () => {
  const allowed = EXECUTION_STATUSES.flatMap((from) =>
    EXECUTION_STATUSES.filter((to) => mayFollow(from, to)).map((to) => `${from} → ${to}`),
  )
  assert.deepEqual(allowed, [
    'accepted → queued',
    'accepted → running',
    'accepted → cancelled',
    'accepted → error',
    'queued → accepted',
    'queued → running',
    'queued → cancelled',
    'queued → error',
    'running → succeeded',
    'running → failed',
    'running → timeout',
    'running → oom',
    'running → killed',
    'running → error',
  ])
})

test('what has run is never started again, and every status leads to an end', () => {
  for (const status of ['running', ...FINAL_STATUSES] as const) {
    for (const waiting of ['accepted', 'queued'] as const) assert.equal(mayFollow(status, waiting), false)
  }
  for (const status of LIVE_STATUSES) assert.ok(FINAL_STATUSES.some((end) => mayFollow(status, end)))
  assert.equal(LIVE_STATUSES.length + FINAL_STATUSES.length, EXECUTION_STATUSES.length)
  assert.deepEqual(EXECUTION_STATUSES.filter(isFinal), FINAL_STATUSES)
})
