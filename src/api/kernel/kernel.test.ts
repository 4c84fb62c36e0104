import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import test, { after } from 'node:test'
import type { ApiKey } from '../../model/api-key.ts'
import { ClocheError } from '../../model/errors.ts'
import { newKeyId, newTenantId } from '../../model/ids.ts'
import { systemClock } from '../../std/clock.ts'
import { createLog } from '../../std/log.ts'
import { Metrics } from '../../std/metrics.ts'
import { object, optional, string } from '../schema/schema.ts'
import { Kernel } from './kernel.ts'
import { route } from './route.ts'

const key = (scopes: ApiKey['scopes'], ratePerMinute: number | null = null): ApiKey => ({
  id: newKeyId(0),
  tenantId: newTenantId(0),
  name: 'k',
  prefix: 'clo_',
  scopes,
  ratePerMinute,
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
})

const keys: Record<string, ApiKey> = {
  admin: key(['admin']),
  execute: key(['execute']),
  slow: key(['execute'], 2),
}
const lines: string[] = []
const answers = { 200: { description: '' } }
const common = { summary: '', tag: '', answers } as const
let aborted = 0

const kernel = new Kernel({
  routes: [
    route({
      ...common,
      method: 'GET',
      path: '/open',
      scope: 'public',
      handle: () => ({ status: 200, json: { ok: true } }),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/run',
      scope: 'execute',
      handle: () => ({ status: 200, json: {} }),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/admin',
      scope: 'admin',
      handle: () => ({ status: 200, json: {} }),
    }),
    route({
      ...common,
      method: 'POST',
      path: '/echo',
      scope: 'public',
      body: object({ name: string(), more: optional(string()) }),
      handle: ({ body }) => ({ status: 200, json: body }),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/defect',
      scope: 'public',
      handle: () => Promise.reject(new Error('secret cause')),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/hang',
      scope: 'public',
      handle: ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted++
            resolve({ status: 204 })
          })
        }),
    }),
    route({
      ...common,
      method: 'GET',
      path: '/endless',
      scope: 'public',
      handle: () => ({ status: 200, chunks: endless(), type: 'text/plain' }),
    }),
  ],
  settings: {
    body: { maxBytes: 1000, idleMs: 200, totalMs: 400 },
    headersMs: 300,
    keepAliveMs: 1000,
    slowReaderMs: 300,
    cors: ['https://page.example'],
  },
  verify: (secret) => keys[secret] ?? Promise.reject(new ClocheError('unauthorized', { reason: 'unknown' })),
  clock: systemClock,
  log: createLog('info', (line) => lines.push(line)),
  metrics: new Metrics(),
})
let stopped = false
async function* endless(): AsyncGenerator<Buffer> {
  try {
    for (;;) yield Buffer.alloc(65_536, 'x')
  } finally {
    stopped = true
  }
}

kernel.server.listen(0, '127.0.0.1')
await once(kernel.server, 'listening')
after(() => {
  kernel.server.close()
  kernel.server.closeAllConnections()
})
const { port } = kernel.server.address() as AddressInfo
const call = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, init)
const bearer = (secret: string): RequestInit => ({ headers: { authorization: `Bearer ${secret}` } })

async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string; requestId: string } }
  assert.equal(response.headers.get('x-request-id'), error.requestId)
  return `${response.status} ${error.code}`
}

test('keys: none, malformed, unknown, not enough, and enough', async () => {
  assert.equal(await codeOf(await call('/run')), '401 unauthorized')
  assert.equal((await call('/run')).headers.get('www-authenticate'), 'Bearer')
  assert.equal(
    await codeOf(await call('/run', { headers: { authorization: 'Basic eDp5' } })),
    '401 unauthorized',
  )
  assert.equal(await codeOf(await call('/run', bearer('nobody'))), '401 unauthorized')
  assert.equal(await codeOf(await call('/admin', bearer('execute'))), '403 forbidden')
  assert.equal((await call('/run', { headers: { 'x-api-key': 'admin' } })).status, 200)
})

test('a rate limit answers 429 with when to come back', async () => {
  for (let request = 0; request < 2; request++) assert.equal((await call('/run', bearer('slow'))).status, 200)
  const refused = await call('/run', bearer('slow'))
  assert.equal(refused.headers.get('retry-after'), '30')
  assert.equal(await codeOf(refused), '429 rate_limited')
})

test('bodies: other types, broken, wrong, too large and right ones', async () => {
  const post = (body: string, type = 'application/json') =>
    call('/echo', { method: 'POST', body, headers: { 'content-type': type } })
  assert.equal(await codeOf(await post('{}', 'text/plain')), '415 unsupported_media_type')
  assert.equal(await codeOf(await post('{"name":')), '400 invalid_json')
  assert.equal(await codeOf(await post('{"nam":"x"}')), '400 invalid_request')
  assert.equal(await codeOf(await post(`{"name":"${'x'.repeat(1000)}"}`)), '413 payload_too_large')
  assert.deepEqual(await (await post('{"name":"x"}', 'application/json; charset=utf-8')).json(), {
    name: 'x',
  })
})

test('what cannot be read as JSON is not quoted back', async () => {
  const response = await call('/echo', {
    method: 'POST',
    body: '{"name": secret-token}',
    headers: { 'content-type': 'application/json' },
  })
  assert.doesNotMatch(await response.text(), /secret/)
})

test('unknown routes, wrong methods and unknown query keys are told apart', async () => {
  assert.equal(await codeOf(await call('/nothing')), '404 route_not_found')
  const wrong = await call('/echo')
  assert.equal(wrong.headers.get('allow'), 'POST')
  assert.equal(await codeOf(wrong), '405 method_not_allowed')
  assert.equal(await codeOf(await call('/open?x=1')), '400 invalid_request')
})

test('a defect is a 500 that hides its cause from the caller and shows it in the log, under the request id', async () => {
  const response = await call('/defect', { headers: { 'x-request-id': 'my-own-id-1' } })
  const text = await response.text()
  assert.equal(response.status, 500)
  assert.doesNotMatch(text, /secret cause/)
  const logged = lines.find((line) => line.includes('secret cause'))
  assert.match(logged ?? '', /my-own-id-1/)
})

test('request ids that could forge a log line are replaced', async () => {
  const response = await call('/open', { headers: { 'x-request-id': 'a b"}' } })
  assert.match(response.headers.get('x-request-id') ?? '', /^req_/)
})

test('a caller who goes away aborts the handler', async () => {
  const controller = new AbortController()
  const pending = call('/hang', { signal: controller.signal })
  await new Promise((resolve) => setTimeout(resolve, 50))
  controller.abort()
  await assert.rejects(pending)
  for (let tries = 0; tries < 100 && aborted === 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(aborted, 1)
})

/** Sends text and waits for the end of the connection. */
async function raw(text: string, read = true): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text)
  let received = ''
  if (read) socket.on('data', (chunk) => (received += chunk))
  else socket.pause()
  await once(socket, 'close')
  return received
}

test('a body that stalls is answered and the connection closed', async () => {
  const answer = await raw(
    'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"na',
  )
  assert.match(answer, /^HTTP\/1\.1 408 /)
  assert.match(answer, /request_timeout/)
})

test('a head that never ends is answered and the connection closed', async () => {
  assert.match(await raw('GET /open HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1\.1 408 /)
})

test('a reader that takes nothing is let go, and what it was reading ends', async () => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /endless HTTP/1.1\r\nhost: x\r\n\r\n')
  socket.pause()
  for (let tries = 0; tries < 300 && !stopped; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(stopped, true)
  socket.destroy()
})

test('other pages get no CORS headers, listed ones do, and a preflight needs no key', async () => {
  const listed = await call('/open', { headers: { origin: 'https://page.example' } })
  assert.equal(listed.headers.get('access-control-allow-origin'), 'https://page.example')
  const other = await call('/open', { headers: { origin: 'https://evil.example' } })
  assert.equal(other.headers.get('access-control-allow-origin'), null)
  const preflight = await call('/run', {
    method: 'OPTIONS',
    headers: { origin: 'https://page.example', 'access-control-request-method': 'POST' },
  })
  assert.equal(preflight.status, 204)
})

test('a kernel that is closing refuses new work and still tells its health', async () => {
  kernel.refuseNew()
  assert.equal(await codeOf(await call('/run', bearer('admin'))), '503 shutting_down')
  assert.equal((await call('/open')).status, 200)
})
