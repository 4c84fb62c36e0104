import assert from 'node:assert/strict'
import test from 'node:test'
import { type Attempt, type Failure, retryAfterMs, retryDelayMs } from './retry.ts'

function attempt(failure: Failure, rest: Partial<Attempt> = {}): Attempt {
  return { failure, retries: 0, maxRetries: 3, repeatable: false, random: 1, ...rest }
}

const lost: Failure = { kind: 'lost' }
const unreached: Failure = { kind: 'unreached' }

function answered(status: number, more: { retryable?: boolean; retryAfterMs?: number } = {}): Failure {
  return { kind: 'answered', status, retryable: more.retryable ?? true, retryAfterMs: more.retryAfterMs }
}

test('a request that never reached a server is sent again', () => {
  assert.equal(retryDelayMs(attempt(unreached)), 100)
})

test('a request whose connection broke is sent again only when that cannot run code twice', () => {
  assert.equal(retryDelayMs(attempt(lost)), undefined)
  assert.equal(retryDelayMs(attempt(lost, { repeatable: true })), 100)
})

test('a request turned away with Retry-After is sent again after that time, whatever it was', () => {
  assert.equal(retryDelayMs(attempt(answered(429, { retryAfterMs: 2000 }))), 2000)
  assert.equal(retryDelayMs(attempt(answered(503, { retryAfterMs: 500 }))), 500)
})

test('a server that asks for more than a minute is not waited for', () => {
  assert.equal(retryDelayMs(attempt(answered(429, { retryAfterMs: 61_000 }))), undefined)
})

test('an error answer without Retry-After is sent again only when repeatable and said to be retryable', () => {
  assert.equal(retryDelayMs(attempt(answered(503))), undefined)
  assert.equal(retryDelayMs(attempt(answered(500), { repeatable: true })), 100)
  assert.equal(retryDelayMs(attempt(answered(400, { retryable: false }), { repeatable: true })), undefined)
})

test('waits double, stay under ten seconds, and end with the allowed number of retries', () => {
  const waits = [0, 1, 2, 3].map((retries) => retryDelayMs(attempt(unreached, { retries })))
  assert.deepEqual(waits, [100, 200, 400, undefined])
  assert.equal(retryDelayMs(attempt(unreached, { retries: 20, maxRetries: 30 })), 10_000)
  assert.equal(retryDelayMs(attempt(unreached, { random: 0 })), 50)
})

test('Retry-After is read as seconds or as a date', () => {
  assert.equal(retryAfterMs('3', 0), 3000)
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:05 GMT', 2000), 3000)
  assert.equal(retryAfterMs('soon', 0), undefined)
  assert.equal(retryAfterMs(null, 0), undefined)
})
