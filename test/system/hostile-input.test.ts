/** Hostile API input: whatever is sent, the answer is an error of the registry and the server goes on. */
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, test } from 'node:test'
import { expectError, type JsonValue } from '../support/client.ts'
import { eventually, within } from '../support/eventually.ts'
import { residentBytes } from '../support/host-state.ts'
import { routesOf } from '../support/openapi.ts'
import { mutate, valueFor } from '../support/schema-fuzz.ts'
import { chosenSeed, seeded } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

async function assertAlive(): Promise<void> {
  assert.equal((await admin.execute({ language: 'bash', code: 'echo alive' })).stdout, 'alive\n')
}

test('schema-driven fuzzing of every route: never a 5xx but 501, never a hang, always an error with a code', async (t) => {
  const random = seeded(chosenSeed())
  t.diagnostic(`seed ${random.seed} (repeat with CLOCHE_TEST_SEED=${random.seed})`)
  const routes = (await routesOf(admin)).filter((route) => !route.path.endsWith('/stream'))
  let sent = 0
  for (const route of routes) {
    const rounds = route.bodySchema === undefined ? 12 : 60
    for (let round = 0; round < rounds; round++) {
      const path = route.path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(nastyText(random)))
      const query = random.chance(0.5)
        ? ''
        : `?${randomQuery(
            random,
            route.parameters.map((p) => String(p['name'])),
          )}`
      const body =
        route.bodySchema === undefined ? undefined : tame(mutate(random, valueFor(random, route.bodySchema)))
      const reply = await within(
        admin.call(route.method, path + query, { body }),
        20_000,
        `an answer from ${route.method} ${path}`,
      )
      const shown = `${route.method} ${path}${query} ${JSON.stringify(body)?.slice(0, 600)} → ${reply.status} ${reply.text.slice(0, 300)}`
      assert.ok(reply.status < 500 || reply.status === 501, shown)
      if (reply.status >= 400) expectError(reply, reply.status)
      sent++
    }
  }
  t.diagnostic(`${sent} requests over ${routes.length} routes`)
  assert.ok(sent > 300)
  await assertAlive()
})

function nastyText(random: ReturnType<typeof seeded>): string {
  return random.pick([
    'x',
    '..',
    '%00',
    "' OR 1=1 --",
    'é'.repeat(50),
    '\u0000',
    '-1',
    'a'.repeat(2000),
    '{}',
    '__proto__',
    '../../../etc/passwd',
    '🌱',
    '\r\nset-cookie: a=b',
  ])
}

function randomQuery(random: ReturnType<typeof seeded>, names: readonly string[]): string {
  const name = names.length > 0 && random.chance(0.8) ? random.pick(names) : 'unknown'
  return `${encodeURIComponent(name)}=${encodeURIComponent(nastyText(random))}`
}

/** Keeps a request that happens to be valid short, so that fuzzing tests the parser and not patience. */
function tame(body: JsonValue): JsonValue {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body
  const bounded = { ...body }
  for (const name of ['timeoutMs', 'timeout_ms']) {
    if (typeof bounded[name] === 'number' && bounded[name] > 2000) bounded[name] = 2000
  }
  return bounded
}

test('JSON that is deep, huge in numbers, duplicated, poisoned or not UTF-8 is refused', async () => {
  const bodies: (string | Buffer)[] = [
    '['.repeat(100_000),
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    '{"language":"bash","code":"true","timeoutMs":1e400}',
    '{"__proto__":{"admin":true},"language":"bash"}',
    '{"constructor":{"prototype":{"x":1}},"language":"bash","code":"true"}',
    Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    'null',
    '"text"',
    '',
    '\u0000',
    '{"language":"bash","code":"true"}garbage',
  ]
  for (const body of bodies) {
    const reply = await admin.call('POST', '/api/v1/execute', { body })
    expectError(reply, 400)
  }
  await assertAlive()
})

test('bodies over the limit are 413 without being kept in memory, declared or chunked', async () => {
  const before = residentBytes(server.pid)
  const declared = await rawRequest(
    `POST /api/v1/execute HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.adminKey}\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{"code":"`,
  )
  assert.match(declared, /^HTTP\/1\.1 413 /)
  const status = await sendEndlessBody()
  assert.match(status, /^(HTTP\/1\.1 413 |closed$)/)
  assert.ok(residentBytes(server.pid) - before < 400 * 1024 * 1024)
  await assertAlive()
})

/** Sends raw bytes and gives what comes back until the server closes or answers. */
function rawRequest(text: string | Buffer, waitMs = 15_000): Promise<string> {
  return within(
    new Promise((resolve) => {
      const socket = net.connect(server.endpoint.port, server.endpoint.host, () => socket.write(text))
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1')
        if (received.includes('\r\n\r\n')) socket.destroy()
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(received === '' ? 'closed' : received))
    }),
    waitMs,
    `an answer to ${String(text).slice(0, 100)}`,
  )
}

/** A chunked body that never ends; gives the first answer. */
function sendEndlessBody(): Promise<string> {
  return within(
    new Promise((resolve) => {
      const socket = net.connect(server.endpoint.port, server.endpoint.host)
      let received = ''
      const megabyte = Buffer.concat([
        Buffer.from('100000\r\n'),
        Buffer.alloc(0x100000, 120),
        Buffer.from('\r\n'),
      ])
      const pump = (): void => {
        while (!socket.destroyed && socket.write(megabyte));
      }
      socket.on('drain', pump)
      socket.on('data', (chunk) => {
        received += chunk.toString('latin1')
        socket.destroy()
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(received === '' ? 'closed' : received))
      socket.write(
        `POST /api/v1/execute HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.adminKey}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      )
      pump()
    }),
    60_000,
    'the refusal of an endless body',
  )
}

test('malformed HTTP is refused and closes the connection only', async () => {
  const requests = [
    'GARBAGE\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    `GET /health HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(5000)}\r\n`,
    `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    'POST /api/v1/execute HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n',
    'POST /api/v1/execute HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /api/v1/execute HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZZ\r\n',
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]),
    `GET /api/v1/execute/stream HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n`,
  ]
  for (const request of requests) {
    const answer = await rawRequest(request)
    assert.match(
      answer,
      /^(HTTP\/1\.1 4\d\d|HTTP\/1\.1 505|closed)/,
      `${String(request).slice(0, 80)} → ${answer.slice(0, 200)}`,
    )
  }
  await assertAlive()
})

const upgrade = (): string =>
  `GET /api/v1/execute/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.adminKey}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`

test('malformed WebSocket frames end that socket only', async () => {
  const frames = [
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]),
    Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    Buffer.from([0x89, 0xfe, 0x10, 0x00, 0, 0, 0, 0]),
    Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    Buffer.from([0xc1, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x81, 0x84, 0, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc]),
  ]
  for (const frame of frames) {
    const ended = new Promise<void>((resolve) => {
      const socket = net.connect(server.endpoint.port, server.endpoint.host, () => socket.write(upgrade()))
      socket.once('data', () => socket.write(frame))
      socket.on('error', () => {})
      socket.on('close', () => resolve())
    })
    await within(ended, 15_000, `the end of a socket that sent ${frame.toString('hex')}`)
  }
  await assertAlive()
})

test('two hundred clients that never finish their request do not keep others waiting', async () => {
  const sockets = Array.from({ length: 200 }, () => {
    const socket = net.connect(server.endpoint.port, server.endpoint.host)
    socket.on('error', () => {})
    socket.write('POST /api/v1/execute HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{')
    return socket
  })
  const started = performance.now()
  await assertAlive()
  assert.ok(performance.now() - started < 3000)
  for (const socket of sockets) socket.destroy()
})

test('a client that reads its answer slowly holds up nobody and is not held for ever', async () => {
  const body = JSON.stringify({ language: 'python', code: 'print("z" * (8 << 20))' })
  const socket = net.connect(server.endpoint.port, server.endpoint.host)
  socket.on('error', () => {})
  socket.pause()
  socket.write(
    `POST /api/v1/execute HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.adminKey}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  for (let n = 0; n < 5; n++) await assertAlive()
  socket.destroy()
  await eventually(async () => (await admin.call('GET', '/ready')).status === 200, {
    withinMs: 5000,
    what: 'readiness',
  })
})

test('multipart bodies that lie about themselves are refused', async () => {
  const post = (body: string, type = 'multipart/form-data; boundary=b') =>
    admin.call('POST', '/api/v1/execute', { body, headers: { 'content-type': type } })
  const bodies: [string, string?][] = [
    [''],
    ['--b--\r\n'],
    ['--b\r\ncontent-disposition: form-data; name="request"\r\n\r\nnot json\r\n--b--\r\n'],
    ['--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n'],
    ['--b\r\ncontent-disposition: form-data; name="request"\r\n\r\n{"language":"bash","code":"true"}'],
    ['x', 'multipart/form-data'],
    [
      `--b\r\ncontent-disposition: form-data; name="../../../etc/x"; filename="x"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; name="request"\r\n\r\n{"language":"bash","code":"true"}\r\n--b--\r\n`,
    ],
  ]
  for (const [body, type] of bodies) {
    const reply = await post(body, type)
    expectError(reply, 400)
  }
  expectError(await post('<a/>', 'application/xml'), 415)
  await assertAlive()
})
