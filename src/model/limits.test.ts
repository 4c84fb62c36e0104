import assert from 'node:assert/strict'
import test from 'node:test'
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUT_MS,
  MAX_LIMITS,
  MAX_TIMEOUT_MS,
  MIN_LIMITS,
  type ResourceLimits,
} from './limits.ts'

test('every default lies between its least and its most', () => {
  for (const key of Object.keys(DEFAULT_LIMITS) as (keyof ResourceLimits)[]) {
    assert.ok(MIN_LIMITS[key] <= DEFAULT_LIMITS[key] && DEFAULT_LIMITS[key] <= MAX_LIMITS[key], key)
  }
  assert.ok(DEFAULT_TIMEOUT_MS <= MAX_TIMEOUT_MS)
})
