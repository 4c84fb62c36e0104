import assert from 'node:assert/strict'
import test from 'node:test'
import { blobsOf, type ExecutionRecord, newExecution, transition } from './execution.ts'
import { EXECUTION_STATUSES, isFinal, mayFollow } from './execution-status.ts'
import { type BlobHash, newExecutionId, newServerId, newTenantId } from './ids.ts'
import { DEFAULT_LIMITS } from './limits.ts'

const NOW = Date.UTC(2026, 0, 1)

const fresh: ExecutionRecord = newExecution({
  id: newExecutionId(NOW),
  tenantId: newTenantId(NOW),
  keyId: null,
  serverId: newServerId(NOW),
  isAsync: false,
  language: 'python',
  mode: 'ephemeral',
  limits: DEFAULT_LIMITS,
  timeoutMs: 30_000,
  createdAt: NOW,
})

test('transition walks every pair as the table says, and throws for every other', () => {
  for (const from of EXECUTION_STATUSES) {
    for (const to of EXECUTION_STATUSES) {
      const record: ExecutionRecord = { ...fresh, status: from, revision: 7 }
      if (!mayFollow(from, to)) {
        assert.throws(
          () => transition(record, to, NOW + 5),
          new RegExp(`is ${from}, which ${to} cannot follow`),
        )
        continue
      }
      const next = transition(record, to, NOW + 5)
      assert.equal(next.status, to)
      assert.equal(next.revision, 8)
      assert.equal(next.startedAt, to === 'running' ? NOW + 5 : null)
      assert.equal(next.finishedAt, isFinal(to) ? NOW + 5 : null)
      assert.equal(record.status, from, 'the record before is left as it was')
    }
  }
})

test('a record names each of its blobs once', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((char) => char.repeat(64) as BlobHash) as [
    BlobHash,
    BlobHash,
    BlobHash,
  ]
  const record: ExecutionRecord = {
    ...fresh,
    request: { bytes: 1, blob: a },
    stdout: { producedBytes: 9, truncated: false, kept: { bytes: 9, blob: b } },
    stderr: { producedBytes: 1, truncated: false, kept: { bytes: 1, text: 'x', encoding: 'utf8' } },
    outputs: [
      { path: 'x', kept: { bytes: 2, blob: c } },
      { path: 'y', kept: { bytes: 9, blob: b } },
      { path: 'z', kept: null },
    ],
  }
  assert.deepEqual(blobsOf(record), [a, b, c])
  assert.deepEqual(blobsOf(fresh), [])
})
