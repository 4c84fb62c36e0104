import assert from 'node:assert/strict'
import test from 'node:test'
import { UsageError } from './errors.ts'
import { settingsFrom } from './options.ts'

test('options win over the environment, and the environment over the defaults', () => {
  const env = { CLOCHE_API_KEY: 'clo_env', FAAS_API_KEY: 'seed', FAAS_API_URL: 'http://seed:1' }
  assert.deepEqual(pick(settingsFrom({}, env)), ['clo_env', 'http://seed:1'])
  assert.deepEqual(pick(settingsFrom({ apiKey: 'a', endpoint: 'https://x/base/' }, env)), [
    'a',
    'https://x/base',
  ])
  assert.deepEqual(pick(settingsFrom({}, {})), [undefined, 'http://127.0.0.1:8080'])
})

function pick({ apiKey, endpoint }: { apiKey: string | undefined; endpoint: string }) {
  return [apiKey, endpoint]
}

test('an unknown option, a bad endpoint and a bad number are refused, not ignored', () => {
  // As a JavaScript caller might write it; the types forbid it.
  const misspelt: object = { apikey: 'clo_x' }
  assert.throws(() => settingsFrom(misspelt, {}), UsageError)
  assert.throws(() => settingsFrom({ endpoint: 'localhost:8080' }, {}), UsageError)
  assert.throws(() => settingsFrom({ timeoutMs: 0 }, {}), UsageError)
  assert.throws(() => settingsFrom({ maxRetries: 1.5 }, {}), UsageError)
})
