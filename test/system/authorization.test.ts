/** Keys, scopes, ownership and rate limits: checked on every route the OpenAPI document lists. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Client, expectError, type JsonObject } from '../support/client.ts'
import { type Route, routesOf } from '../support/openapi.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())
const routes = await routesOf(admin)
const open = new Set([
  'GET /health',
  'GET /ready',
  'GET /openapi.json',
  'GET /metrics',
  'GET /api/v1/version',
  'GET /',
])
const guarded = routes.filter((route) => !open.has(`${route.method} ${route.path}`))

/** A path with its parameters replaced by something that is nobody's. */
function concrete(route: Route, value: string): string {
  return route.path.replaceAll(/\{[^}]+\}/g, value)
}

async function newKey(
  scopes: string[],
  tenantId?: string,
  extra: object = {},
): Promise<{ id: string; client: Client }> {
  const reply = await admin.call('POST', '/api/v1/keys', {
    body: {
      name: `test ${scopes.join(' ')}`,
      scopes,
      ...(tenantId === undefined ? {} : { tenantId }),
      ...extra,
    },
  })
  assert.equal(reply.status, 201, reply.text)
  const made = reply.json()
  assert.match(String(made['key']), /^clo_[\w-]{20,}$/)
  return { id: String(made['keyId']), client: admin.withKey(String(made['key'])) }
}

async function newTenant(name: string): Promise<string> {
  const reply = await admin.call('POST', '/api/v1/tenants', { body: { name } })
  assert.equal(reply.status, 201, reply.text)
  return String(reply.json()['tenantId'])
}

test('the document lists the routes of the contract', () => {
  const listed = routes.map((route) => `${route.method} ${route.path}`)
  for (const expected of [
    'POST /api/v1/execute',
    'POST /execute',
    'GET /api/v1/execute/stream',
    'GET /api/v1/executions',
    'POST /api/v1/environments',
    'POST /api/v1/keys',
    'POST /api/v1/tenants',
  ]) {
    assert.ok(listed.includes(expected), `${expected} is not in ${listed.join(', ')}`)
  }
  assert.ok(guarded.length >= 15, `${guarded.length} guarded routes`)
})

test('without a key, or with a wrong, malformed or revoked one, every route answers 401', async () => {
  const revoked = await newKey(['execute', 'manage', 'admin'])
  assert.ok((await revoked.client.call('GET', '/api/v1/executions')).status === 200)
  const gone = await admin.call('DELETE', `/api/v1/keys/${revoked.id}`)
  assert.ok([200, 204].includes(gone.status), gone.text)
  const wrong = `clo_${'A'.repeat(43)}`
  for (const route of guarded) {
    const path = concrete(route, 'nobodys')
    for (const key of [null, wrong, 'clo_', 'x'.repeat(8000), revoked.client.key]) {
      const reply = await admin.call(route.method, path, { key })
      assert.equal(
        reply.status,
        401,
        `${route.method} ${path} with ${String(key).slice(0, 12)}: ${reply.text.slice(0, 200)}`,
      )
      assert.match(String(reply.headers['www-authenticate']), /Bearer/i)
    }
  }
})

test('x-api-key is accepted like the Authorization header', async () => {
  const reply = await admin.call('GET', '/api/v1/executions', {
    key: null,
    headers: { 'x-api-key': admin.key },
  })
  assert.equal(reply.status, 200, reply.text)
})

test('a scope that is not enough is 403 on every route that asks for more', async () => {
  const execute = (await newKey(['execute'])).client
  const forbidden = guarded.filter((route) => /\/(keys|tenants)/.test(route.path))
  assert.ok(forbidden.length >= 4)
  for (const route of forbidden) {
    expectError(await execute.call(route.method, concrete(route, 'nobodys'), { body: {} }), 403)
  }
  const manage = (await newKey(['manage'])).client
  expectError(await manage.call('POST', '/api/v1/tenants', { body: { name: 'x' } }), 403)
  assert.equal(
    (await manage.execute({ language: 'bash', code: 'true' })).exitCode,
    0,
    'manage includes execute',
  )
})

test('no key can give away more than it has', async () => {
  const manage = (await newKey(['manage'])).client
  for (const scopes of [['admin'], ['manage', 'admin'], ['execute', 'admin']]) {
    const reply = await manage.call('POST', '/api/v1/keys', { body: { name: 'up', scopes } })
    expectError(reply, 403)
  }
})

test('another tenant’s executions, environments and keys are 404 on every route that names one', async () => {
  const alice = (await newKey(['execute', 'manage'], await newTenant('alice'))).client
  const bob = (await newKey(['execute', 'manage'], await newTenant('bob'))).client
  const { executionId } = await alice.execute({ language: 'bash', code: 'echo private' })
  const listed = (await bob.call('GET', '/api/v1/executions?limit=100')).json()['executions'] as JsonObject[]
  assert.deepEqual(listed, [])
  const naming = guarded.filter((route) => /executions\/\{/.test(route.path))
  assert.ok(naming.length >= 5, 'get, delete, cancel, logs, events')
  for (const route of naming) {
    const reply = await bob.call(route.method, concrete(route, executionId))
    expectError(reply, 404)
    assert.doesNotMatch(reply.text, /private/)
  }
  const keys = (await alice.call('GET', '/api/v1/keys')).json()['keys'] as JsonObject[]
  const aliceKey = String(keys[0]?.['keyId'])
  expectError(await bob.call('DELETE', `/api/v1/keys/${aliceKey}`), 404)
  assert.equal(
    (await alice.call('GET', `/api/v1/executions/${executionId}`)).status,
    200,
    'and it is still there',
  )
})

test('lists of keys never show a secret, and keys are only hashes on disk', async () => {
  const made = await newKey(['execute'])
  const listing = await admin.call('GET', '/api/v1/keys')
  assert.equal(listing.text.includes(made.client.key), false)
  assert.equal(listing.text.includes(admin.key), false)
  for (const path of filesBelow(server.dataDir)) {
    if (path.endsWith('admin.key')) continue
    const bytes = readFileSync(path)
    assert.equal(bytes.includes(made.client.key), false, path)
    assert.equal(bytes.includes(admin.key), false, path)
  }
  const mode = statSync(join(server.dataDir, 'admin.key')).mode & 0o777
  assert.equal(mode, 0o600)
  assert.notEqual(createHash('sha256').update(admin.key).digest('hex'), admin.key)
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\/(base|guest|layers)(\/|$)/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name))
}

test('a rate limit answers 429 on every route, with the time to wait, and its window resets', async () => {
  const limited = (await newKey(['execute', 'manage'], undefined, { ratePerMinute: 30 })).client
  const statuses: number[] = []
  let retryAfter = ''
  for (let n = 0; n < 34; n++) {
    const reply = await limited.call('GET', '/api/v1/executions?limit=1')
    statuses.push(reply.status)
    if (reply.status === 429) {
      expectError(reply, 429)
      retryAfter = String(reply.headers['retry-after'])
    }
  }
  assert.ok(
    statuses.slice(0, 30).every((status) => status === 200),
    `${statuses}`,
  )
  assert.ok(statuses.includes(429), `${statuses}`)
  assert.match(retryAfter, /^\d+$/)
  for (const route of guarded) {
    const reply = await limited.call(route.method, concrete(route, 'nobodys'))
    assert.equal(
      reply.status,
      429,
      `${route.method} ${route.path} is not limited: ${reply.text.slice(0, 200)}`,
    )
  }
  await new Promise((resolve) => setTimeout(resolve, Number(retryAfter) * 1000 + 100))
  assert.equal((await limited.call('GET', '/api/v1/executions?limit=1')).status, 200, 'the window has reset')
  assert.equal(
    (await admin.call('GET', '/api/v1/executions?limit=1')).status,
    200,
    'other keys were never affected',
  )
})

test('unknown paths are 404 and wrong methods 405, as errors of the registry', async () => {
  expectError(await admin.call('GET', '/api/v1/nothing'), 404)
  const wrong = await admin.call('PUT', '/api/v1/execute', { body: {} })
  expectError(wrong, 405)
  assert.match(String(wrong.headers['allow']), /POST/)
})
