/** One WebSocket session of `/api/v1/execute/stream`: sends messages, keeps what came, waits for what should come. */

import type { JsonObject } from './client.ts'
import { eventually } from './eventually.ts'
import type { TestServer } from './server.ts'

export interface StreamSession {
  readonly messages: readonly JsonObject[]
  send(message: object): void
  sendRaw(data: string | Buffer): void
  /** The first message (from the beginning) that fits. */
  next(type: string, withinMs?: number): Promise<JsonObject>
  /** Waits until the decoded output of a stream holds the text. */
  output(text: string | RegExp, withinMs?: number): Promise<string>
  /** Everything a stream has carried so far. */
  bytes(stream: 'stdout' | 'stderr'): Buffer
  closed(withinMs?: number): Promise<{ code: number; reason: string }>
  close(): void
}

function payload(message: JsonObject): Buffer {
  const data = message['data']
  if (typeof data !== 'string') return Buffer.alloc(0)
  return Buffer.from(data, message['encoding'] === 'utf8' ? 'utf8' : 'base64')
}

function sessionOver(
  socket: WebSocket,
  messages: JsonObject[],
  ended: () => { code: number; reason: string } | undefined,
): StreamSession {
  const bytes = (stream: 'stdout' | 'stderr'): Buffer =>
    Buffer.concat(messages.filter((message) => message['type'] === stream).map(payload))
  return {
    messages,
    send: (message) => socket.send(JSON.stringify(message)),
    sendRaw: (data) => socket.send(data),
    bytes,
    next: (type, withinMs = 20_000) =>
      eventually(() => messages.find((message) => message['type'] === type), {
        withinMs,
        everyMs: 5,
        what: `a ${type} message; there were ${JSON.stringify(messages).slice(0, 1500)}`,
      }),
    output: (text, withinMs = 20_000) =>
      eventually(
        () => {
          const seen = bytes('stdout').toString('utf8')
          return (typeof text === 'string' ? seen.includes(text) : text.test(seen)) ? seen : undefined
        },
        { withinMs, everyMs: 5, what: `output ${text}` },
      ),
    closed: (withinMs = 20_000) =>
      eventually(ended, { withinMs, everyMs: 5, what: 'the end of the WebSocket' }),
    close: () => socket.close(),
  }
}

/** Connects with the key in the Authorization header. Rejects with the reason if the upgrade is refused. */
export async function openStream(server: TestServer, key: string = server.adminKey): Promise<StreamSession> {
  const url = `${server.url.replace('http', 'ws')}/api/v1/execute/stream`
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${key}` } })
  socket.binaryType = 'arraybuffer'
  const messages: JsonObject[] = []
  let ended: { code: number; reason: string } | undefined
  socket.addEventListener('message', (event) => {
    messages.push(JSON.parse(String(event.data)) as JsonObject) // the server speaks JSON text only
  })
  socket.addEventListener('close', (event) => {
    ended = { code: event.code, reason: event.reason }
  })
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true })
    socket.addEventListener('error', () => reject(new Error('the WebSocket upgrade was refused')), {
      once: true,
    })
    socket.addEventListener('close', (event) => reject(new Error(`closed at once: ${event.code}`)), {
      once: true,
    })
  })
  return sessionOver(socket, messages, () => ended)
}

/** Opens a session and starts an execution in it. */
export async function startInStream(server: TestServer, request: object): Promise<StreamSession> {
  const session = await openStream(server)
  session.send({ type: 'start', request })
  return session
}
