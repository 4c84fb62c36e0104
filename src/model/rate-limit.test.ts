import assert from 'node:assert/strict'
import test from 'node:test'
import { type Bucket, RateLimiter, takeToken } from './rate-limit.ts'

function takeMany(
  bucket: Bucket | undefined,
  limit: number,
  nowMs: number,
  count: number,
): { bucket: Bucket | undefined; allowed: number } {
  let allowed = 0
  let current = bucket
  for (let i = 0; i < count; i++) {
    const taken = takeToken(current, limit, nowMs)
    current = taken.bucket
    if (taken.verdict.allowed) allowed++
  }
  return { bucket: current, allowed }
}

test('a whole minute of requests may come at once, and not one more', () => {
  const { bucket, allowed } = takeMany(undefined, 60, 0, 100)
  assert.equal(allowed, 60)
  const { verdict } = takeToken(bucket, 60, 0)
  assert.deepEqual(verdict, { allowed: false, limit: 60, remaining: 0, retryAfterMs: 1000, resetMs: 60_000 })
})

test('the window resets: a minute later everything is allowed again', () => {
  const { bucket } = takeMany(undefined, 60, 0, 100)
  assert.equal(takeMany(bucket, 60, 60_000, 100).allowed, 60)
  assert.equal(takeMany(bucket, 60, 30_000, 100).allowed, 30)
})

test('who waits as long as told is let in', () => {
  for (const limit of [1, 7, 60, 1000, 100_000]) {
    const { bucket } = takeMany(undefined, limit, 0, limit)
    const refused = takeToken(bucket, limit, 0)
    assert.equal(refused.verdict.allowed, false, `limit ${limit}`)
    assert.equal(
      takeToken(refused.bucket, limit, refused.verdict.retryAfterMs).verdict.allowed,
      true,
      `limit ${limit}`,
    )
  }
})

test('trying while refused does not put the end of the waiting off', () => {
  let { bucket } = takeMany(undefined, 60, 0, 60)
  for (let ms = 0; ms < 1000; ms += 10) bucket = takeToken(bucket, 60, ms).bucket
  assert.equal(takeToken(bucket, 60, 1000).verdict.allowed, true)
})

test('a clock that steps back gives nothing away', () => {
  const { bucket } = takeMany(undefined, 60, 100_000, 60)
  assert.equal(takeMany(bucket, 60, 40_000, 10).allowed, 0)
})

test('subjects do not share a bucket, and forgotten ones take no memory', () => {
  const limiter = new RateLimiter()
  assert.equal(limiter.take('a', 1, 0).allowed, true)
  assert.equal(limiter.take('a', 1, 0).allowed, false)
  assert.equal(limiter.take('b', 1, 0).allowed, true)
  for (let i = 0; i < 5000; i++) limiter.take(`subject ${i}`, 1, 100_000 + i * 60)
  assert.ok(limiter.size < 3000, String(limiter.size))
})
