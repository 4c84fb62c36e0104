// How a WebSocket is opened with a key: where the runtime lets a client set headers
// (Node, Bun, Deno, `ws`) the key goes there as in every other request; a browser cannot, so there it travels as a
// sub-protocol, which the server reads and never echoes.
import { ClocheError, ConnectionError, UnreadableAnswerError, UsageError } from './errors.ts'
import { InvalidRequestError } from './generated/errors.ts'
import { send } from './http.ts'
import type { Settings } from './options.ts'
import type { Socket, SocketMaker, SocketOptions } from './socket-face.ts'

/** What the server calls the stream's protocol. */
export const streamProtocol = 'cloche.v1'
const keyProtocolPrefix = 'cloche.key.'

export function openSocket(settings: Settings, path: string): Socket {
  const url = settings.endpoint.replace(/^http/, 'ws') + path
  if (settings.webSocket === undefined && isBrowser()) return inBrowser(url, settings.apiKey)
  const Maker = settings.webSocket ?? globalSocket()
  return new Maker(url, headersFor(settings.apiKey))
}

/** Asks the same route over plain HTTP: a bad key, a wrong path or no server at all answer there with their own error. */
export async function whyNotOpened(settings: Settings, path: string): Promise<ClocheError> {
  const notUpgraded = new UnreadableAnswerError(
    0,
    'the stream route is there, but did not become a WebSocket',
  )
  try {
    await send({ ...settings, maxRetries: 0 }, { method: 'GET', path, repeatable: true })
    return notUpgraded
  } catch (error) {
    // The route's own refusal of what is no upgrade: key, path and server are fine, so something between is in the way.
    if (error instanceof InvalidRequestError) return notUpgraded
    return error instanceof ClocheError ? error : new ConnectionError(settings.endpoint, false, error)
  }
}

function headersFor(apiKey: string | undefined): SocketOptions {
  return apiKey === undefined ? {} : { headers: { authorization: `Bearer ${apiKey}` } }
}

function inBrowser(url: string, apiKey: string | undefined): Socket {
  const protocols = apiKey === undefined ? [streamProtocol] : [streamProtocol, keyProtocolPrefix + apiKey]
  return new WebSocket(url, protocols)
}

function isBrowser(): boolean {
  return 'window' in globalThis && 'document' in globalThis
}

function globalSocket(): SocketMaker {
  const Maker: unknown = Reflect.get(globalThis, 'WebSocket')
  if (typeof Maker === 'function') {
    // The global's type names only the standard's arguments; Node, Bun and Deno also take an options object.
    return Maker as SocketMaker
  }
  throw new UsageError(
    'this JavaScript runtime has no WebSocket, which stream() needs',
    'Node 22 and newer have it. On Node 20: npm install ws, then new Cloche({ webSocket: WebSocket }) with its class.',
  )
}
