import assert from 'node:assert/strict'
import test from 'node:test'
import { allows, hashSecret, isScope, isSecret, keyState, newSecret, SCOPES, shownPrefix } from './api-key.ts'

test('secrets are 256 random bits with a checksum that catches every slip of one character', () => {
  const secrets = new Set(Array.from({ length: 500 }, newSecret))
  assert.equal(secrets.size, 500)
  const [secret = ''] = secrets
  assert.match(secret, /^clo_[0-9A-Za-z]{49}$/)
  for (const one of secrets) assert.ok(isSecret(one))
  for (let at = 4; at < secret.length; at++) {
    const other = secret[at] === 'x' ? 'y' : 'x'
    assert.ok(!isSecret(secret.slice(0, at) + other + secret.slice(at + 1)), `position ${at}`)
  }
  for (const bad of ['', 'clo_', secret.slice(1), `${secret}0`, ` ${secret}`, `${secret}\n`])
    assert.ok(!isSecret(bad))
})

test('what is shown and what is kept do not give the secret away', () => {
  const secret = newSecret()
  assert.equal(shownPrefix(secret), secret.slice(0, 10))
  assert.match(hashSecret(secret), /^[0-9a-f]{64}$/)
  assert.notEqual(hashSecret(secret), hashSecret(newSecret()))
})

test('a wider scope includes the narrower ones', () => {
  const table = SCOPES.map((held) => SCOPES.filter((needed) => allows({ scopes: [held] }, needed)))
  assert.deepEqual(table, [['execute'], ['execute', 'manage'], ['execute', 'manage', 'admin']])
  assert.equal(allows({ scopes: [] }, 'execute'), false)
  assert.equal(allows({ scopes: ['execute', 'manage'] }, 'manage'), true)
  assert.ok(isScope('admin') && !isScope('root') && !isScope('toString'))
})

test('a key ends at its expiry, and a revoked one stays revoked', () => {
  assert.equal(keyState({ expiresAt: null, revokedAt: null }, 5), 'active')
  assert.equal(keyState({ expiresAt: 6, revokedAt: null }, 5), 'active')
  assert.equal(keyState({ expiresAt: 5, revokedAt: null }, 5), 'expired')
  assert.equal(keyState({ expiresAt: 9, revokedAt: 1 }, 5), 'revoked')
})
