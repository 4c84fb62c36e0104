import assert from 'node:assert/strict'
import test from 'node:test'
import { type Ending, judge } from './verdict.ts'

const nothing: Ending = {
  hostCause: undefined,
  exit: undefined,
  sandboxEnd: undefined,
  oomKilled: false,
  failure: undefined,
}
const exited = (code: number) => ({ code, signal: null })
const signalled = (signal: string) => ({ code: null, signal })

function verdict(ending: Partial<Ending>): [string, number | null, string | null] {
  const { status, exitCode, signal } = judge({ ...nothing, ...ending })
  return [status, exitCode, signal]
}

test("a program's own end is reported as it was", () => {
  assert.deepEqual(verdict({ exit: exited(0) }), ['succeeded', 0, null])
  assert.deepEqual(verdict({ exit: exited(3) }), ['failed', 3, null])
  assert.deepEqual(verdict({ exit: signalled('SIGSEGV') }), ['failed', null, 'SIGSEGV'])
  assert.deepEqual(verdict({ exit: signalled('SIGKILL') }), ['failed', null, 'SIGKILL'])
})

test('a run that was over its time is a timeout, whether the kill or the sandbox ended it', () => {
  assert.deepEqual(verdict({ hostCause: 'timeout', exit: signalled('SIGKILL') }), [
    'timeout',
    null,
    'SIGKILL',
  ])
  const sandboxEnd = { cause: 'destroyed', detail: '' } as const
  assert.deepEqual(verdict({ hostCause: 'timeout', sandboxEnd }), ['timeout', null, 'SIGKILL'])
})

test('a program that succeeded at the last moment has succeeded', () => {
  assert.deepEqual(verdict({ hostCause: 'timeout', exit: exited(0) }), ['succeeded', 0, null])
})

test('memory is to blame only when the kernel says so, and not for a program that coped', () => {
  assert.deepEqual(verdict({ oomKilled: true, exit: signalled('SIGKILL') }), ['oom', null, 'SIGKILL'])
  assert.deepEqual(verdict({ oomKilled: true, exit: exited(137) }), ['oom', 137, null])
  assert.deepEqual(verdict({ oomKilled: true, exit: exited(0) }), ['succeeded', 0, null])
  assert.deepEqual(verdict({ sandboxEnd: { cause: 'oom', detail: '' } }), ['oom', null, 'SIGKILL'])
  assert.deepEqual(
    verdict({ hostCause: 'timeout', oomKilled: true, exit: signalled('SIGKILL') })[0],
    'timeout',
  )
})

test('a lost sandbox is a failure with its reason, a broken protocol a killing', () => {
  const failure = { code: 'sandbox_lost', detail: 'x' } as const
  const lost = judge({ ...nothing, sandboxEnd: { cause: 'launcher_lost', detail: 'x' }, failure })
  assert.deepEqual([lost.status, lost.error], ['failed', failure])
  assert.deepEqual(verdict({ sandboxEnd: { cause: 'protocol_error', detail: 'x' } })[0], 'killed')
})

test('cancelled and stopped runs are killed', () => {
  assert.deepEqual(verdict({ hostCause: 'cancelled', exit: signalled('SIGKILL') }), [
    'killed',
    null,
    'SIGKILL',
  ])
  assert.equal(judge({ ...nothing, hostCause: 'shutdown' }).error?.code, 'shutting_down')
})
