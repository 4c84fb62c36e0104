import { ClocheError, fail } from '../../model/errors.ts'
import type { IncomingMessage } from './node-http.ts'

export interface BodyLimits {
  readonly maxBytes: number
  /** No byte for this long: the sender is gone or means harm. */
  readonly idleMs: number
  /** The whole body must be there by then. */
  readonly totalMs: number
}

/** `application/json` and everything `+json`; whatever else is refused before a byte is read. */
export function requireJson(incoming: IncomingMessage): void {
  const given = mediaType(incoming)
  if (given === 'application/json' || /^application\/[\w.+-]+\+json$/.test(given)) return
  fail('unsupported_media_type', {
    given: given === '' ? 'none' : given.slice(0, 100),
    supported: ['application/json'],
  })
}

export function mediaType(incoming: IncomingMessage): string {
  return (incoming.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

export async function readJson(incoming: IncomingMessage, limits: BodyLimits): Promise<unknown> {
  requireJson(incoming)
  return parseJson(await readBody(incoming, limits))
}

export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) fail('invalid_json', { reason: 'it is empty' })
  try {
    return JSON.parse(UTF8.decode(bytes))
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it is not UTF-8'
    // The engine quotes the text around the mistake, which may be code or a secret.
    return fail('invalid_json', { reason: reason.replace(/,? ?\.{0,3}"[^]*"\.{0,3} is not valid JSON/, '') })
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** The body as bytes, within its limits of size and time. A body over the limit is not read to its end. */
export function readBody(incoming: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { maxBytes } = limits
  const tooLarge = (): ClocheError =>
    new ClocheError('payload_too_large', { what: 'the request body', limitBytes: maxBytes })
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const watch = watchBody(incoming, limits, (error) => finish(() => reject(error)))
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size > maxBytes) return finish(() => reject(tooLarge()))
      chunks.push(chunk)
    }
    const onEnd = (): void =>
      finish(() => resolve(chunks.length === 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks, size)))
    const finish = (settle: () => void): void => {
      watch.stop()
      incoming.off('data', onData).off('end', onEnd)
      incoming.pause()
      settle()
    }
    incoming.on('data', onData).on('end', onEnd)
  })
}

const EMPTY = Buffer.alloc(0)

/** Reports a sender that stalls, takes too long, or goes away before the end. */
export function watchBody(
  incoming: IncomingMessage,
  limits: Pick<BodyLimits, 'idleMs' | 'totalMs'>,
  failed: (error: ClocheError) => void,
): { stop(): void } {
  const late = (waitedMs: number) => (): void => failed(new ClocheError('request_timeout', { waitedMs }))
  const idle = setTimeout(late(limits.idleMs), limits.idleMs)
  const total = setTimeout(late(limits.totalMs), limits.totalMs)
  const onData = (): void => void idle.refresh()
  const onGone = (): void => failed(new ClocheError('request_timeout', { waitedMs: 0 }))
  incoming.on('data', onData).on('error', onGone).on('aborted', onGone)
  return {
    stop() {
      clearTimeout(idle)
      clearTimeout(total)
      incoming.off('data', onData).off('aborted', onGone)
    },
  }
}
