import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { asClocheError, type ClocheError, fail } from '../../model/errors.ts'
import { type Kernel, requestIdOf, splitUrl } from '../kernel/kernel.ts'
import { http, type IncomingMessage } from '../kernel/node-http.ts'
import { type Route, route } from '../kernel/route.ts'
import { type ApiParts, callerOf } from '../parts.ts'
import { StreamSession } from './session.ts'

export const STREAM_PATH = '/api/v1/execute/stream'
const PROTOCOL = 'cloche.v1'
/** Browsers cannot set headers on a WebSocket: there the key travels as a sub-protocol, which is never answered with. */
const KEY_PROTOCOL = 'cloche.key.'

/** What a plain request to the stream's path gets, and how OpenAPI tells of it. */
export function streamRoute(): Route {
  return route({
    method: 'GET',
    path: STREAM_PATH,
    summary: 'WebSocket: start an execution or attach to one; output, input, terminal size, signals, exit.',
    tag: 'executions',
    scope: 'execute',
    answers: { 101: { description: 'Switching to WebSocket, JSON text messages.' } },
    handle: () =>
      fail('invalid_request', { problems: [{ path: '', message: 'must be a WebSocket upgrade' }] }),
  })
}

export class StreamServer {
  readonly #parts: ApiParts
  readonly #kernel: Kernel
  readonly #sessions = new Set<StreamSession>()
  /** Loaded with the first upgrade. */
  #sockets: Promise<WebSocketServer> | undefined
  #closing = false

  constructor(parts: ApiParts, kernel: Kernel) {
    this.#parts = parts
    this.#kernel = kernel
    kernel.server.on('upgrade', (incoming, socket, head) => void this.#upgrade(incoming, socket, head))
    parts.metrics.gauge('cloche_streams', 'Open WebSockets.', () => this.#sessions.size)
  }

  close(): void {
    this.#closing = true
    for (const session of this.#sessions) session.close()
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const requestId = requestIdOf(incoming)
    socket.on('error', () => socket.destroy())
    try {
      const { path } = splitUrl(incoming.url ?? '')
      if (path !== STREAM_PATH)
        fail('route_not_found', { method: incoming.method ?? '', path: path.slice(0, 200) })
      if (this.#closing) fail('shutting_down', { retryAfterMs: 2000 })
      takeKeyFromProtocol(incoming)
      const caller = callerOf({ caller: await this.#kernel.admit(incoming, 'execute') })
      const { maxConnections } = this.#parts.settings.stream
      if (this.#sessions.size >= maxConnections)
        fail('quota_exceeded', { what: 'open streams', limit: maxConnections })
      const sockets = await (this.#sockets ??= openSockets(this.#parts))
      sockets.handleUpgrade(incoming, socket, head, (client) => {
        const session = new StreamSession(this.#parts, client, caller, requestId)
        this.#sessions.add(session)
        client.on('close', () => this.#sessions.delete(session))
      })
    } catch (error) {
      refuse(socket, asClocheError(error), requestId)
    }
  }
}

async function openSockets(parts: ApiParts): Promise<WebSocketServer> {
  const { WebSocketServer } = await import('ws')
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: parts.settings.stream.messageBytes,
    perMessageDeflate: false,
    skipUTF8Validation: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  })
}

function takeKeyFromProtocol(incoming: IncomingMessage): void {
  if (incoming.headers.authorization !== undefined) return
  const offered = (incoming.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
  const key = offered.find((one) => one.startsWith(KEY_PROTOCOL))
  if (key !== undefined) incoming.headers.authorization = `Bearer ${key.slice(KEY_PROTOCOL.length)}`
}

/** There is no ServerResponse for an upgrade: the refusal is written by hand. */
function refuse(socket: Duplex, error: ClocheError, requestId: string): void {
  if (!socket.writable) return void socket.destroy()
  const body = JSON.stringify(error.toBody(requestId))
  const lines = [
    `HTTP/1.1 ${error.status} ${http.STATUS_CODES[error.status] ?? 'Error'}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    ...(error.status === 401 ? ['www-authenticate: Bearer'] : []),
    ...(error.retryAfterMs === undefined
      ? []
      : [`retry-after: ${Math.max(1, Math.ceil(error.retryAfterMs / 1000))}`]),
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
