import assert from 'node:assert/strict'
import test from 'node:test'
import { asClocheError, ClocheError, fail, isClocheError } from './errors.ts'

test('an error carries what its code decides and what the facts say', () => {
  const cause = new Error('connect ECONNREFUSED 10.0.0.3')
  const error = new ClocheError('rate_limited', { limitPerMinute: 60, retryAfterMs: 1500 }, { cause })
  assert.equal(error.status, 429)
  assert.equal(error.fault, 'caller')
  assert.equal(error.retryable, true)
  assert.equal(error.retryAfterMs, 1500)
  assert.equal(error.detail, 'The key allows 60 requests per minute; the next one is possible in 1.5 s.')
  assert.equal(error.cause, cause)
})

test('a body shows the caller what helps and nothing of the cause', () => {
  const error = new ClocheError('internal', {}, { cause: new Error('/var/lib/cloche/secret') })
  const body = error.toBody('req_1')
  assert.deepEqual(Object.keys(body.error), ['code', 'title', 'detail', 'hint', 'retryable', 'requestId'])
  assert.ok(!JSON.stringify(body).includes('secret'))
})

test('invalid_request lists every problem with its path', () => {
  const problems = [
    { path: 'timeoutMs', message: 'must be a whole number' },
    { path: '', message: 'has too many keys' },
  ]
  const error = new ClocheError('invalid_request', { problems })
  assert.equal(error.detail, 'timeoutMs: must be a whole number; has too many keys')
  assert.deepEqual(error.toBody('r').error.problems, problems)
})

test('fail throws the error of its code', () => {
  assert.throws(
    () => fail('not_found', { what: 'execution', id: 'x' }),
    (error) =>
      isClocheError(error, 'not_found') && error.details.id === 'x' && !isClocheError(error, 'conflict'),
  )
})

test('foreign errors become ours in one place and keep their cause', () => {
  const ours = new ClocheError('shutting_down', {})
  assert.equal(asClocheError(ours), ours)
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
  assert.equal(asClocheError(full).code, 'storage_full')
  assert.equal(asClocheError(full).cause, full)
  assert.equal(asClocheError('a thrown string').code, 'internal')
  assert.equal(asClocheError(undefined).status, 500)
})
