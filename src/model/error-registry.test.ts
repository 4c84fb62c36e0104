import assert from 'node:assert/strict'
import test from 'node:test'
import type { CodeDetails, ErrorCode, RegistryEntry } from './error-details.ts'
import { ERROR_CODES, REGISTRY } from './error-registry.ts'

// One code's entry and example belong together; the compiler only sees the union of all.
const entryOf = (code: ErrorCode): RegistryEntry<CodeDetails[ErrorCode]> =>
  REGISTRY[code] as RegistryEntry<CodeDetails[ErrorCode]>

test('every code has a title, a detail made of its facts, and a hint, all in whole sentences', () => {
  for (const code of ERROR_CODES) {
    const entry = entryOf(code)
    const detail = entry.detail(entry.example)
    assert.match(code, /^[a-z]+(_[a-z]+)*$/)
    assert.match(entry.title, /^[A-Z].*[^.]$/, code)
    assert.match(entry.hint, /^[A-Z].*\.$/, code)
    assert.ok(detail.length > 10 && !/undefined|NaN|\[object/.test(detail), `${code}: ${detail}`)
  }
})

test('the status says whose fault it is', () => {
  for (const code of ERROR_CODES) {
    const { status, fault } = entryOf(code)
    if (fault === 'platform') assert.ok(status >= 500, code)
    if (fault === 'caller') assert.ok(status < 500 || code === 'mode_not_available', code)
  }
})

test('nothing that may have run code is called retryable', () => {
  const mayHaveRun: ErrorCode[] = [
    'sandbox_lost',
    'execution_interrupted',
    'protocol_violation',
    'internal',
    'slow_consumer',
  ]
  for (const code of mayHaveRun) assert.equal(REGISTRY[code].retryable, false, code)
})
