/** Server-sent events, read off the wire: ids, types and decoded payloads. */
import http from 'node:http'
import { connectionOptions, type JsonObject } from './client.ts'
import { within } from './eventually.ts'
import type { TestServer } from './server.ts'

export interface ServerSentEvent {
  readonly id: string
  readonly type: string
  readonly data: JsonObject
  /** The decoded output of a stdout or stderr event. */
  readonly text: string
}

export interface EventStream {
  /** Every event until the server ends the response. */
  all(withinMs: number): Promise<ServerSentEvent[]>
}

function parseEvent(block: string): ServerSentEvent | undefined {
  const fields: Record<string, string> = {}
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? []
    if (name !== '') fields[name] = name in fields ? `${fields[name]}\n${value}` : value
  }
  if (fields['data'] === undefined) return undefined
  const data = JSON.parse(fields['data']) as JsonObject // the server documents JSON objects
  const encoded = typeof data['data'] === 'string' ? data['data'] : ''
  const text = Buffer.from(encoded, data['encoding'] === 'utf8' ? 'utf8' : 'base64').toString('utf8')
  return { id: fields['id'] ?? '', type: fields['event'] ?? String(data['type'] ?? ''), data, text }
}

export function openEventStream(
  server: TestServer,
  path: string,
  headers: Record<string, string> = {},
): EventStream {
  const body = new Promise<string>((resolve, reject) => {
    const request = http.get(
      {
        ...connectionOptions(server.endpoint),
        path,
        headers: { authorization: `Bearer ${server.adminKey}`, accept: 'text/event-stream', ...headers },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`events answered ${response.statusCode}: ${text}`))
        })
      },
    )
    request.on('error', reject)
  })
  return {
    all: async (withinMs) =>
      (await within(body, withinMs, 'the end of the event stream'))
        .split('\n\n')
        .map(parseEvent)
        .filter((event) => event !== undefined),
  }
}
