/**
 * A small client for the tests, independent of the SDK on purpose: a test of the wire must not share the code that
 * speaks it. Keeps connections alive, can talk through a unix socket, never retries.
 */
import assert from 'node:assert/strict'
import http from 'node:http'

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** When the server lives in another network namespace: a socket that leads to its port. */
  readonly socketPath?: string
}

export interface Reply {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
  /** The parsed body; throws if it is not JSON. */
  json(): JsonObject
}

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }
export type JsonObject = { [key: string]: JsonValue }

export interface CallOptions {
  readonly key?: string | null
  readonly headers?: Record<string, string>
  /** JSON unless it is a string or Buffer, which go out as they are. */
  readonly body?: unknown
  readonly signal?: AbortSignal
}

export interface OutputFile {
  readonly base64?: string
  readonly text?: string
  readonly size?: number
  readonly missing?: boolean
}

export interface ExecutionResult {
  readonly executionId: string
  readonly status: string
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly stdoutEncoding: 'utf8' | 'base64'
  readonly stderrEncoding: 'utf8' | 'base64'
  readonly truncated: { readonly stdout: boolean; readonly stderr: boolean }
  readonly durationMs: number
  readonly phases: Readonly<Record<string, number>>
  readonly cpuTimeMs: number
  readonly peakMemoryBytes: number
  readonly startKind: string
  readonly mode: string
  readonly outputs?: Readonly<Record<string, OutputFile>>
  readonly createdAt: string
  readonly finishedAt: string
  readonly cached?: boolean
}

export interface Client {
  readonly endpoint: Endpoint
  readonly key: string
  call(method: string, path: string, options?: CallOptions): Promise<Reply>
  /** POST /api/v1/execute, demanding 200. */
  execute(request: object, options?: CallOptions): Promise<ExecutionResult>
  withKey(key: string): Client
  close(): void
}

function encodeBody(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined
  if (Buffer.isBuffer(body)) return body
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

function headersFor(options: CallOptions, key: string, body: Buffer | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  const usedKey = options.key === undefined ? key : options.key
  if (usedKey !== null && usedKey !== '') headers['authorization'] = `Bearer ${usedKey}`
  if (body !== undefined) {
    headers['content-type'] = 'application/json'
    headers['content-length'] = String(body.length)
  }
  return { ...headers, ...options.headers }
}

function toReply(message: http.IncomingMessage, bytes: Buffer): Reply {
  const text = bytes.toString('utf8')
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    bytes,
    text,
    json: () => JSON.parse(text) as JsonObject, // callers assert on the fields they use
  }
}

/** The options node:http needs to reach the endpoint. */
export function connectionOptions(endpoint: Endpoint): http.RequestOptions {
  if (endpoint.socketPath !== undefined) return { socketPath: endpoint.socketPath }
  return { host: endpoint.host, port: endpoint.port }
}

export function makeClient(endpoint: Endpoint, key: string, shared?: http.Agent): Client {
  const agent = shared ?? new http.Agent({ keepAlive: true, maxSockets: 2048 })
  const call = (method: string, path: string, options: CallOptions = {}): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const body = encodeBody(options.body)
      const request = http.request(
        {
          ...connectionOptions(endpoint),
          agent,
          method,
          path,
          headers: headersFor(options, key, body),
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        (message) => {
          const chunks: Buffer[] = []
          message.on('data', (chunk: Buffer) => chunks.push(chunk))
          message.on('end', () => resolve(toReply(message, Buffer.concat(chunks))))
          message.on('error', reject)
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  return {
    endpoint,
    key,
    call,
    async execute(request, options = {}) {
      const reply = await call('POST', '/api/v1/execute', { ...options, body: request })
      assert.equal(reply.status, 200, `execute answered ${reply.status}: ${reply.text.slice(0, 2000)}`)
      return reply.json() as unknown as ExecutionResult // the shape is what the acceptance tests assert
    },
    withKey: (other) => makeClient(endpoint, other, agent),
    close: () => agent.destroy(),
  }
}

/** The bytes of a result's stream, whatever its encoding. */
export function streamBytes(result: ExecutionResult, stream: 'stdout' | 'stderr'): Buffer {
  return Buffer.from(result[stream], result[`${stream}Encoding`] === 'base64' ? 'base64' : 'utf8')
}

/** Asserts that a reply is an error of the registry's shape and returns it. */
export function expectError(reply: Reply, status: number, code?: string | RegExp): JsonObject {
  assert.equal(reply.status, status, `expected ${status}, got ${reply.status}: ${reply.text.slice(0, 1000)}`)
  const error = reply.json()['error'] as JsonObject
  for (const field of ['code', 'title', 'detail', 'hint', 'requestId']) {
    assert.equal(typeof error?.[field], 'string', `error.${field} is missing in ${reply.text.slice(0, 500)}`)
  }
  if (typeof code === 'string') assert.equal(error['code'], code)
  if (code instanceof RegExp) assert.match(String(error['code']), code)
  return error
}
