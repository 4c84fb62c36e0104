import type { ClocheError } from '../../model/errors.ts'
import type { ServerResponse } from './node-http.ts'
import type { Answer, Headers } from './route.ts'

export const JSON_TYPE = 'application/json; charset=utf-8'

export function sendJson(
  outgoing: ServerResponse,
  status: number,
  json: unknown,
  headers: Headers = {},
): void {
  sendText(outgoing, status, JSON.stringify(json), JSON_TYPE, headers)
}

export function sendText(
  outgoing: ServerResponse,
  status: number,
  text: string,
  type: string,
  headers: Headers = {},
): void {
  if (outgoing.headersSent || outgoing.destroyed) return
  outgoing.writeHead(status, { ...headers, 'content-type': type, 'content-length': Buffer.byteLength(text) })
  outgoing.end(text)
}

export function sendError(outgoing: ServerResponse, error: ClocheError, requestId: string): void {
  const seconds =
    error.retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(error.retryAfterMs / 1000))
  const headers: Record<string, string> = {}
  if (seconds !== undefined) headers['retry-after'] = String(seconds)
  if (error.status === 401) headers['www-authenticate'] = 'Bearer'
  // What was not read of the body would otherwise be taken for the next request.
  if (!outgoing.req.complete) headers['connection'] = 'close'
  sendJson(outgoing, error.status, error.toBody(requestId), headers)
}

export async function sendAnswer(outgoing: ServerResponse, answer: Answer, slowMs: number): Promise<void> {
  if (answer === 'taken') return
  if ('json' in answer) return sendJson(outgoing, answer.status, answer.json, answer.headers)
  if ('text' in answer) return sendText(outgoing, answer.status, answer.text, answer.type, answer.headers)
  if ('chunks' in answer) {
    outgoing.writeHead(answer.status, { ...answer.headers, 'content-type': answer.type })
    return sendChunks(outgoing, answer.chunks, slowMs)
  }
  outgoing.writeHead(answer.status).end()
}

/** Writes no faster than the caller reads; one who reads nothing for `slowMs` is let go. */
export async function sendChunks(
  outgoing: ServerResponse,
  chunks: AsyncIterable<string | Uint8Array>,
  slowMs: number,
): Promise<void> {
  if (outgoing.req.method === 'HEAD') return void outgoing.end()
  for await (const chunk of chunks) {
    if (outgoing.destroyed) return
    if (!outgoing.write(chunk) && !(await drained(outgoing, slowMs))) return
  }
  outgoing.end()
}

/** False when the caller has gone, or was let go for reading nothing. */
export function drained(outgoing: ServerResponse, slowMs: number): Promise<boolean> {
  if (outgoing.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    const finish = (open: boolean): void => {
      clearTimeout(timer)
      outgoing.off('drain', onDrain).off('close', onClose)
      resolve(open)
    }
    const onDrain = (): void => finish(true)
    const onClose = (): void => finish(false)
    const timer = setTimeout(() => {
      outgoing.destroy()
      finish(false)
    }, slowMs)
    outgoing.on('drain', onDrain).on('close', onClose)
  })
}
