import type * as Http from 'node:http'

/**
 * Node's own HTTP, without `import … from 'node:http'`: that reads every export of it, `WebSocket` among them, which loads
 * all of undici (13 MB resident measured; the whole idle server has 80).
 */
export const http: typeof Http = process.getBuiltinModule('node:http')

export type { IncomingMessage, Server, ServerResponse } from 'node:http'
