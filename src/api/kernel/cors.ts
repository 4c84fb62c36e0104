import type { IncomingMessage, ServerResponse } from './node-http.ts'

/** Origins whose pages may call the API; none by default. `*` allows every page (keys still decide what it may do). */
export type CorsSetting = readonly string[]

/** Sets the headers a browser asks for; true when the request was a preflight and is answered. */
export function applyCors(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  allowed: CorsSetting,
): boolean {
  const origin = incoming.headers.origin
  if (allowed.length === 0 || origin === undefined) return false
  outgoing.setHeader('vary', 'origin')
  if (!allowed.includes('*') && !allowed.includes(origin)) return false
  outgoing.setHeader('access-control-allow-origin', allowed.includes('*') ? '*' : origin)
  outgoing.setHeader('access-control-expose-headers', 'x-request-id, retry-after, location, server-timing')
  if (incoming.method !== 'OPTIONS' || incoming.headers['access-control-request-method'] === undefined)
    return false
  outgoing.writeHead(204, {
    'access-control-allow-methods': 'GET, POST, DELETE',
    'access-control-allow-headers':
      'authorization, x-api-key, content-type, prefer, last-event-id, x-request-id',
    'access-control-max-age': '600',
  })
  outgoing.end()
  return true
}
