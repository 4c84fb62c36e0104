import assert from 'node:assert/strict'
import test from 'node:test'
import { type ExecutionRecord, newExecution, transition } from '../model/execution.ts'
import { newExecutionId, newServerId, newTenantId } from '../model/ids.ts'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { FakeClock } from '../std/clock.ts'
import { afterRestart } from './recovery.ts'

const clock = new FakeClock()
const serverId = newServerId(clock.now())

function record(isAsync: boolean): ExecutionRecord {
  return newExecution({
    id: newExecutionId(0),
    tenantId: newTenantId(0),
    keyId: null,
    serverId: newServerId(0),
    isAsync,
    language: 'python',
    mode: 'ephemeral',
    limits: DEFAULT_LIMITS,
    timeoutMs: 1000,
    createdAt: 0,
    request: { bytes: 2, text: '{}', encoding: 'utf8' },
  })
}

const restarted = (before: ExecutionRecord): ExecutionRecord => afterRestart(before, { serverId, clock })

test('what was accepted and had not begun waits again, for the new server, with its request', () => {
  for (const before of [record(true), transition(record(true), 'queued', 0)]) {
    const next = restarted(before)
    assert.deepEqual([next.status, next.serverId, next.request], ['accepted', serverId, before.request])
    assert.ok(next.revision > before.revision)
  }
})

test('what may have begun has failed with the reason, and is never run again', () => {
  for (const isAsync of [true, false]) {
    const next = restarted(transition(record(isAsync), 'running', 0))
    assert.deepEqual([next.status, next.error?.code, next.request], ['failed', 'execution_interrupted', null])
  }
})

test('what only its connection waited for has nobody to answer', () => {
  assert.equal(restarted(record(false)).status, 'error')
})

test('what has ended is none of this', () => {
  assert.throws(() => restarted(transition(transition(record(true), 'running', 0), 'succeeded', 0)))
})
