/**
 * A light HTTP client for measuring: one kept-alive socket for each caller, requests prepared as bytes beforehand,
 * responses read just far enough to know their end. Its own cost per request is tens of microseconds.
 */
import net from 'node:net'
import type { Endpoint } from '../../test/support/client.ts'

export interface Answer {
  readonly status: number
  readonly body: string
  readonly ms: number
}

export interface LoadConnection {
  /** Sends prepared bytes and resolves with the whole answer, timed from the first byte out to the last byte in. */
  send(request: Buffer): Promise<Answer>
  close(): void
}

/** The bytes of a JSON request. */
export function prepared(endpoint: Endpoint, key: string, path: string, body: object): Buffer {
  const json = JSON.stringify(body)
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${endpoint.host}:${endpoint.port}\r\nauthorization: Bearer ${key}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n`
  return Buffer.from(head + json)
}

interface Parsed {
  readonly status: number
  readonly body: string
}

/** The whole response if it is complete, whichever way its length is told. */
function parse(received: Buffer): Parsed | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const head = received.toString('latin1', 0, headEnd).toLowerCase()
  const status = Number(head.slice(9, 12))
  const start = headEnd + 4
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1]
  if (length !== undefined) {
    const end = start + Number(length)
    return received.length >= end ? { status, body: received.toString('utf8', start, end) } : undefined
  }
  return head.includes('transfer-encoding: chunked')
    ? parseChunked(received, start, status)
    : { status, body: '' }
}

function parseChunked(received: Buffer, start: number, status: number): Parsed | undefined {
  const parts: Buffer[] = []
  for (let at = start; ; ) {
    const lineEnd = received.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(received.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (received.length < next) return undefined
    if (size === 0) return { status, body: Buffer.concat(parts).toString('utf8') }
    parts.push(received.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}

export async function openLoadConnection(endpoint: Endpoint): Promise<LoadConnection> {
  const socket = net.connect(endpoint.port, endpoint.host)
  socket.setNoDelay(true)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  let received: Buffer = Buffer.alloc(0)
  let waiting: { resolve: (parsed: Parsed) => void; reject: (error: Error) => void } | undefined
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const parsed = parse(received)
    if (parsed === undefined || waiting === undefined) return
    received = Buffer.alloc(0) // one request at a time: nothing of a next answer can be here
    const { resolve } = waiting
    waiting = undefined
    resolve(parsed)
  })
  const failed = (error: Error): void => waiting?.reject(error)
  socket.on('error', failed)
  socket.on('close', () => failed(new Error('the server closed the connection')))
  return {
    async send(request) {
      const begun = performance.now()
      const parsed = await new Promise<Parsed>((resolve, reject) => {
        waiting = { resolve, reject }
        socket.write(request)
      })
      return { ...parsed, ms: performance.now() - begun }
    },
    close: () => socket.destroy(),
  }
}
