// What a client is made with: options first, then the environment (CLOCHE_…, then the FAAS_… names of the seed
// project), then the defaults. Unknown options are refused, so that a misspelt one is not silently ignored.
import { UsageError } from './errors.ts'
import type { SocketMaker } from './socket-face.ts'

export interface ClocheOptions {
  /** `clo_…`; else CLOCHE_API_KEY or FAAS_API_KEY. */
  readonly apiKey?: string
  /** Where the server is, such as `http://localhost:8080`; else CLOCHE_ENDPOINT or FAAS_API_URL. */
  readonly endpoint?: string
  /** How long one answer may take, beyond what the code itself is allowed. Default 30 s. */
  readonly timeoutMs?: number
  /** How often a request is sent again after a failure that cannot have run anything twice. Default 3. */
  readonly maxRetries?: number
  /** Used instead of the global fetch. */
  readonly fetch?: typeof globalThis.fetch
  /** Used instead of the global WebSocket, such as the class of the package `ws` on Node 20. */
  readonly webSocket?: SocketMaker
}

export interface Settings {
  readonly apiKey: string | undefined
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly timeoutMs: number
  readonly maxRetries: number
  readonly fetch: typeof globalThis.fetch
  readonly webSocket: SocketMaker | undefined
}

export const defaultEndpoint = 'http://127.0.0.1:8080'
const known = new Set(['apiKey', 'endpoint', 'timeoutMs', 'maxRetries', 'fetch', 'webSocket'])

export type Environment = Readonly<Record<string, string | undefined>>

export function settingsFrom(options: ClocheOptions, environment: Environment): Settings {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new UsageError(`unknown option ${name}`, `The options are ${[...known].join(', ')}.`)
    }
  }
  return {
    apiKey: options.apiKey ?? environment['CLOCHE_API_KEY'] ?? environment['FAAS_API_KEY'],
    endpoint: endpointFrom(
      options.endpoint ?? environment['CLOCHE_ENDPOINT'] ?? environment['FAAS_API_URL'] ?? defaultEndpoint,
    ),
    timeoutMs: wholeNumber('timeoutMs', options.timeoutMs ?? 30_000, 1),
    maxRetries: wholeNumber('maxRetries', options.maxRetries ?? 3, 0),
    // Bound: a browser's fetch refuses to be called as a method of something else.
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    webSocket: options.webSocket,
  }
}

function endpointFrom(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UsageError(
      `endpoint ${JSON.stringify(text)} is not an http(s) URL`,
      'Give it like http://localhost:8080.',
    )
  }
  return (url.origin + url.pathname).replace(/\/+$/, '')
}

function wholeNumber(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new UsageError(`${name} is ${value}`, `It must be a whole number from ${least} up.`)
}

/** The process environment where there is one (Node, Bun, Deno); nothing in a browser. */
export function environmentOfProcess(): Environment {
  const process: unknown = Reflect.get(globalThis, 'process')
  if (typeof process !== 'object' || process === null) return {}
  const env: unknown = Reflect.get(process, 'env')
  return typeof env === 'object' && env !== null ? Object.fromEntries(Object.entries(env)) : {}
}
