import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { type WebSocket as PeerSocket, WebSocketServer } from 'ws'
import { ClocheError, ConnectionError, StreamClosedError } from './errors.ts'
import { NotFoundError, UnauthorizedError } from './generated/errors.ts'
import { settingsFrom } from './options.ts'
import { openSocket, whyNotOpened } from './socket.ts'
import { ExecutionStream } from './stream.ts'

type Script = (socket: PeerSocket, messages: AsyncGenerator<Record<string, unknown>>) => Promise<void> | void

async function* messagesOf(socket: PeerSocket): AsyncGenerator<Record<string, unknown>> {
  const arrived: string[] = []
  let wake = (): void => {}
  socket.on('message', (data) => {
    arrived.push(data.toString())
    wake()
  })
  for (;;) {
    const text = arrived.shift()
    if (text !== undefined) yield JSON.parse(text)
    else await new Promise<void>((resolve) => (wake = resolve))
  }
}

/** A peer that plays the server's part of one stream, as written in the test. */
async function follow(t: TestContext, script: Script): Promise<ExecutionStream> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  server.on('connection', (socket) => void script(socket, messagesOf(socket)))
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  return streamTo(port)
}

function streamTo(port: number): ExecutionStream {
  const settings = settingsFrom({ endpoint: `http://127.0.0.1:${port}`, apiKey: 'clo_test' }, {})
  return new ExecutionStream({
    open: () => openSocket(settings, '/stream'),
    whyNotOpened: () => whyNotOpened(settings, '/stream'),
    first: { type: 'start', request: { code: '1', language: 'python' } },
    connectTimeoutMs: 2000,
  })
}

const say = (socket: PeerSocket, ...messages: object[]): void => {
  for (const message of messages) socket.send(JSON.stringify(message))
}
const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64')
const started = { type: 'started', executionId: 'exec_1' }
const exit = { type: 'exit', status: 'succeeded', exitCode: 0, signal: null, durationMs: 5 }

test('events arrive in order, the start message first on the wire, and complete ends it', async (t) => {
  const stream = await follow(t, async (socket, messages) => {
    const first = (await messages.next()).value
    say(socket, started, { type: 'stdout', data: base64(JSON.stringify(first)) })
    say(socket, { type: 'stderr', data: 'warned', encoding: 'utf8' }, { type: 'heartbeat' }, exit)
  })
  const seen: unknown[] = []
  await new Promise<void>((resolve, reject) => {
    stream
      .on('started', (id) => seen.push(['started', id]))
      .on('output', (text) => seen.push(['output', text]))
      .on('stderr', (text) => seen.push(['stderr', text]))
      .on('heartbeat', () => seen.push(['heartbeat']))
      .on('exit', (end) => seen.push(['exit', end.status, end.executionId]))
      .on('error', reject)
      .on('complete', (code) => {
        seen.push(['complete', code])
        resolve()
      })
  })
  assert.deepEqual(seen, [
    ['started', 'exec_1'],
    ['output', '{"type":"start","request":{"code":"1","language":"python"}}'],
    ['stderr', 'warned'],
    ['heartbeat'],
    ['exit', 'succeeded', 'exec_1'],
    ['complete', 0],
  ])
})

test('a character cut in two by the wire arrives whole', async (t) => {
  const euro = Buffer.from('€')
  const stream = await follow(t, (socket) => {
    say(socket, started, { type: 'stdout', data: base64(euro.subarray(0, 1)) })
    say(socket, { type: 'stdout', data: base64(euro.subarray(1)) }, exit)
  })
  const texts: string[] = []
  for await (const event of stream) if (event.type === 'stdout') texts.push(event.text)
  assert.deepEqual(texts, ['', '€'])
})

test('what arrives before anybody listens is kept for the first listener', async (t) => {
  const stream = await follow(t, (socket) =>
    say(socket, started, { type: 'stdout', data: base64('early') }, exit),
  )
  await new Promise((resolve) => setTimeout(resolve, 60))
  const types: string[] = []
  for await (const event of stream) types.push(event.type)
  assert.deepEqual(types, ['started', 'stdout', 'exit'])
  assert.equal((await stream.result()).exitCode, 0)
})

test('input is sent in parts, in order, after the start message even when given before the connection', async (t) => {
  let received = 0
  const stream = await follow(t, async (socket, messages) => {
    for await (const message of messages) {
      if (message['type'] === 'stdin') received += Buffer.from(String(message['data']), 'base64').length
      if (message['type'] === 'resize')
        say(socket, { type: 'stdout', data: base64(`${message['cols']}x${message['rows']}`) })
      if (message['type'] === 'signal')
        say(socket, { type: 'stderr', data: base64(String(message['signal'])) })
      if (message['type'] === 'stdin_eof') say(socket, started, exit)
    }
  })
  const sent = stream.sendInput('x'.repeat(200_000))
  stream.resize(80, 24)
  stream.signal('SIGUSR1')
  stream.endInput()
  let output = ''
  let errors = ''
  stream.on('output', (text) => (output += text)).on('stderr', (text) => (errors += text))
  await stream.result()
  await sent
  assert.deepEqual([received, output, errors], [200_000, '80x24', 'SIGUSR1'])
})

test('an error message of the server is a typed error, once, and nothing comes after it', async (t) => {
  const error = { code: 'not_found', title: 'T', detail: 'D', hint: 'H', requestId: 'r' }
  const stream = await follow(t, (socket) => say(socket, { type: 'error', error }, exit))
  await assert.rejects(stream.result(), NotFoundError)
  await assert.rejects(async () => {
    for await (const event of stream) assert.fail(`an event after the error: ${event.type}`)
  }, NotFoundError)
})

test('a stream that ends without an exit is an error, with the code the server closed with', async (t) => {
  const stream = await follow(t, (socket) => {
    say(socket, started)
    socket.close(1013, 'too slow')
  })
  await assert.rejects(stream.result(), (error) => {
    assert.ok(error instanceof StreamClosedError)
    assert.match(error.detail, /too slow.*1013/)
    return true
  })
})

test('closing it here ends it for every consumer', async (t) => {
  const stream = await follow(t, (socket) => say(socket, started))
  const result = stream.result()
  stream.close()
  await assert.rejects(result, StreamClosedError)
})

test('messages that are no JSON are an error, not an exception in a callback', async (t) => {
  const stream = await follow(t, (socket) => socket.send('nonsense'))
  await assert.rejects(stream.result(), ClocheError)
})

test('messages of a kind this SDK does not know are passed over', async (t) => {
  const stream = await follow(t, (socket) => say(socket, started, { type: 'weather', sun: true }, exit))
  assert.equal((await stream.result()).status, 'succeeded')
})

test('an upgrade that is refused tells the server’s own reason', async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(401, { 'content-type': 'application/json' })
    response.end('{"error":{"code":"unauthorized","title":"No valid API key","detail":"d","hint":"h"}}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  await assert.rejects(streamTo(port).result(), UnauthorizedError)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await assert.rejects(
    streamTo(port).result(),
    (error) => error instanceof ConnectionError && !error.mayHaveRun,
  )
})
