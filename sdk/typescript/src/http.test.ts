import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { ClientTimeoutError, ConnectionError, UnreadableAnswerError } from './errors.ts'
import { NotFoundError, RateLimitedError } from './generated/errors.ts'
import { type Call, send, sendForJson } from './http.ts'
import { settingsFrom } from './options.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A peer that counts what reaches it. */
async function peer(t: TestContext, handler: Handler) {
  let count = 0
  const server: Server = createServer((request, response) => {
    request.resume()
    handler(request, response, ++count)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  const settings = settingsFrom(
    { endpoint: `http://127.0.0.1:${port}`, apiKey: 'clo_test', timeoutMs: 400 },
    {},
  )
  return { settings, count: () => count }
}

const get: Call = { method: 'GET', path: '/thing', repeatable: true }
const run: Call = { method: 'POST', path: '/run', body: { code: '1' }, repeatable: false }

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  const error = { code, title: 'T', detail: 'D', hint: 'H', retryable: status >= 429, requestId: 'req_1' }
  response.end(JSON.stringify({ error }))
}

test('a request carries the key, and its answer is parsed', async (t) => {
  const { settings } = await peer(t, (request, response) => {
    response.end(JSON.stringify({ key: request.headers.authorization, query: request.url }))
  })
  const answer = await sendForJson(settings, { ...get, query: { a: 1, b: undefined, c: 'x y' } })
  assert.deepEqual(answer, { key: 'Bearer clo_test', query: '/thing?a=1&c=x+y' })
})

test('an error answer becomes the class of its code, with every text and the request id', async (t) => {
  const { settings } = await peer(t, (_request, response) => refuse(response, 404, 'not_found'))
  await assert.rejects(send(settings, get), (error) => {
    assert.ok(error instanceof NotFoundError)
    assert.deepEqual(
      [error.name, error.code, error.status, error.fault, error.detail, error.hint, error.requestId],
      ['NotFoundError', 'not_found', 404, 'caller', 'D', 'H', 'req_1'],
    )
    return true
  })
})

test('an answer that is not Cloche’s says so instead of guessing', async (t) => {
  const { settings } = await peer(t, (_request, response) => {
    response.writeHead(418).end('<html>')
  })
  await assert.rejects(send(settings, get), UnreadableAnswerError)
})

test('a request turned away with Retry-After is sent again', async (t) => {
  const { settings, count } = await peer(t, (_request, response, attempt) => {
    if (attempt === 1) refuse(response, 429, 'rate_limited', { 'retry-after': '0' })
    else response.end('{}')
  })
  await send(settings, run)
  assert.equal(count(), 2)
})

test('a request turned away for longer than a minute fails at once and says for how long', async (t) => {
  const { settings, count } = await peer(t, (_request, response) => {
    refuse(response, 429, 'rate_limited', { 'retry-after': '120' })
  })
  await assert.rejects(send(settings, run), (error) => {
    assert.ok(error instanceof RateLimitedError)
    assert.equal(error.retryAfterMs, 120_000)
    return true
  })
  assert.equal(count(), 1)
})

test('a connection that breaks after the request was sent is not repeated, for it may have run', async (t) => {
  const { settings, count } = await peer(t, (request) => request.socket.destroy())
  await assert.rejects(send(settings, run), (error) => error instanceof ConnectionError && error.mayHaveRun)
  assert.equal(count(), 1)
})

test('the same break is repeated where the server would not run it twice', async (t) => {
  const { settings, count } = await peer(t, (request, response, attempt) => {
    if (attempt < 3) request.socket.destroy()
    else response.end('{"done":true}')
  })
  assert.deepEqual(await sendForJson(settings, { ...run, repeatable: true }), { done: true })
  assert.equal(count(), 3)
})

test('a server that is not there is named, and nothing can have run', async () => {
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo // a TCP server that listens has one
  await new Promise((resolve) => gone.close(resolve))
  const settings = settingsFrom({ endpoint: `http://127.0.0.1:${port}`, maxRetries: 1 }, {})
  await assert.rejects(send(settings, run), (error) => {
    assert.ok(error instanceof ConnectionError)
    assert.deepEqual([error.mayHaveRun, error.code], [false, 'connection_failed'])
    assert.match(error.message, /no server at http.*ECONNREFUSED/)
    return true
  })
})

test('a silent server is given up at the deadline, and the request is not repeated', async (t) => {
  const { settings, count } = await peer(t, () => {})
  await assert.rejects(send(settings, { ...run, timeoutMs: 60 }), ClientTimeoutError)
  assert.equal(count(), 1)
})

test('a caller’s abort ends the request with the caller’s own reason, also between two attempts', async (t) => {
  const { settings } = await peer(t, (_request, response) => {
    refuse(response, 503, 'not_ready', { 'retry-after': '30' })
  })
  const reason = new Error('enough')
  const stop = new AbortController()
  setTimeout(() => stop.abort(reason), 30)
  await assert.rejects(send(settings, { ...run, signal: stop.signal }), reason)
})
