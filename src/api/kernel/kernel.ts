import type { Socket } from 'node:net'
import { type ApiKey, allows } from '../../model/api-key.ts'
import type { Problem } from '../../model/errors.ts'
import { asClocheError, ClocheError, fail } from '../../model/errors.ts'
import { RateLimiter } from '../../model/rate-limit.ts'
import type { Clock } from '../../std/clock.ts'
import { randomName } from '../../std/ids.ts'
import type { Log } from '../../std/log.ts'
import type { Metrics } from '../../std/metrics.ts'
import { type BodyLimits, readJson } from './body.ts'
import { applyCors, type CorsSetting } from './cors.ts'
import { http, type IncomingMessage, type Server, type ServerResponse } from './node-http.ts'
import { parseQuery } from './query.ts'
import { sendAnswer, sendError } from './respond.ts'
import type { Answer, Context, Route } from './route.ts'
import { Router } from './router.ts'

export interface KernelSettings {
  readonly body: BodyLimits
  /** A reader that takes nothing for this long is let go. */
  readonly slowReaderMs: number
  readonly headersMs: number
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number
  readonly cors: CorsSetting
}

export interface KernelParts {
  readonly routes: readonly Route[]
  readonly settings: KernelSettings
  readonly verify: (secret: string) => ApiKey | Promise<ApiKey>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** What every request goes through, in this order: id, route, who, how often, what may they, query, body, handler, answer. */
export class Kernel {
  readonly server: Server
  readonly rate = new RateLimiter()
  readonly #router: Router
  readonly #parts: KernelParts
  readonly #observe: (route: string, method: string, status: number, ms: number) => void
  #closing = false

  constructor(parts: KernelParts) {
    this.#parts = parts
    this.#router = new Router(parts.routes)
    this.#observe = requestMetrics(parts.metrics)
    this.server = http.createServer(
      {
        headersTimeout: parts.settings.headersMs,
        // Bodies have limits of their own (`readBody`), which answer instead of hanging up.
        requestTimeout: 0,
        connectionsCheckingInterval: Math.min(1000, parts.settings.headersMs),
        keepAliveTimeout: parts.settings.keepAliveMs,
        noDelay: true,
      },
      (incoming, outgoing) => void this.#serve(incoming, outgoing),
    )
    this.server.on('clientError', refuseMalformed)
  }

  /** New requests are refused with `shutting_down`; the ones in flight go on. */
  refuseNew(): void {
    this.#closing = true
  }

  /** Who calls, and whether they may: 401, 403 or 429 otherwise. */
  async admit(
    incoming: IncomingMessage,
    scope: Route['scope'],
    outgoing?: ServerResponse,
  ): Promise<ApiKey | undefined> {
    if (scope === 'public') return undefined
    const verified = this.#parts.verify(secretOf(incoming))
    const key = verified instanceof Promise ? await verified : verified
    if (key.ratePerMinute !== null) {
      const verdict = this.rate.take(key.id, key.ratePerMinute, this.#parts.clock.now())
      outgoing?.setHeader('ratelimit-limit', verdict.limit)
      outgoing?.setHeader('ratelimit-remaining', verdict.remaining)
      outgoing?.setHeader('ratelimit-reset', Math.ceil(verdict.resetMs / 1000))
      if (!verdict.allowed) {
        fail('rate_limited', { limitPerMinute: key.ratePerMinute, retryAfterMs: verdict.retryAfterMs })
      }
    }
    if (!allows(key, scope)) fail('forbidden', { neededScope: scope })
    return key
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const startedMs = this.#parts.clock.monotonic()
    const requestId = requestIdOf(incoming)
    outgoing.setHeader('x-request-id', requestId)
    let path = 'none'
    try {
      if (applyCors(incoming, outgoing, this.#parts.settings.cors)) return
      const url = splitUrl(incoming.url ?? '/')
      const match = this.#router.match(incoming.method ?? 'GET', url.path)
      if (match.kind === 'missing') {
        fail('route_not_found', { method: shown(incoming.method), path: shown(url.path) })
      }
      if (match.kind === 'wrong_method') {
        outgoing.setHeader('allow', match.allowed.join(', '))
        fail('method_not_allowed', { method: shown(incoming.method), allowed: match.allowed })
      }
      path = match.route.path
      if (this.#closing && match.route.scope !== 'public') fail('shutting_down', { retryAfterMs: 5000 })
      const answer = await this.#answer(match.route, match.params, url.search, {
        incoming,
        outgoing,
        requestId,
      })
      await sendAnswer(outgoing, answer, this.#parts.settings.slowReaderMs)
    } catch (error) {
      this.#failed(error, requestId, path, outgoing)
    } finally {
      const ms = this.#parts.clock.monotonic() - startedMs
      this.#observe(path, incoming.method ?? '', outgoing.statusCode, ms)
      this.#parts.log.debug('request', {
        requestId,
        route: path,
        method: incoming.method,
        status: outgoing.statusCode,
        ms,
      })
    }
  }

  async #answer(
    route: Route,
    params: Readonly<Record<string, string>>,
    search: string,
    request: { incoming: IncomingMessage; outgoing: ServerResponse; requestId: string },
  ): Promise<Answer> {
    const { incoming, outgoing } = request
    const caller = await this.admit(incoming, route.scope, outgoing)
    const problems: Problem[] = []
    const query = search === '' ? {} : parseQuery(new URLSearchParams(search), route.query ?? {}, problems)
    if (problems.length > 0) fail('invalid_request', { problems })
    const reads = route.body !== undefined && route.rawBody !== true
    const body = reads ? await readJson(incoming, this.#parts.settings.body) : undefined
    if (reads) route.body?.check(body, '', problems)
    if (problems.length > 0) fail('invalid_request', { problems })
    const context: Context = { ...request, caller, params, query, body, signal: goneSignal(outgoing) }
    return route.handle(context)
  }

  #failed(error: unknown, requestId: string, path: string, outgoing: ServerResponse): void {
    const known = asClocheError(error)
    if (known.fault === 'platform' && known.status >= 500) {
      this.#parts.log.error('request failed', {
        requestId,
        route: path,
        code: known.code,
        error: known.cause ?? known,
      })
    }
    if (outgoing.headersSent) return void outgoing.destroy()
    sendError(outgoing, known, requestId)
  }
}

/** Aborts when the caller goes before the answer is complete. */
function goneSignal(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController()
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) controller.abort(new ClocheError('request_timeout', { waitedMs: 0 }))
  })
  return controller.signal
}

/** `Authorization: Bearer …` or `x-api-key`. */
export function secretOf(incoming: IncomingMessage): string {
  const header = incoming.headers.authorization
  if (header !== undefined) {
    const match = /^bearer +(\S+)$/i.exec(header)
    if (match?.[1] === undefined) fail('unauthorized', { reason: 'malformed' })
    return match[1]
  }
  const key = incoming.headers['x-api-key']
  if (typeof key === 'string' && key !== '') return key
  return fail('unauthorized', { reason: 'missing' })
}

const REQUEST_ID = /^[\w.:-]{8,128}$/

/** The caller's own id when it is one; it shows up in our logs, so not everything is. */
export function requestIdOf(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : `req_${randomName(20)}`
}

export function splitUrl(url: string): { path: string; search: string } {
  const mark = url.indexOf('?')
  return mark < 0 ? { path: url, search: '' } : { path: url.slice(0, mark), search: url.slice(mark + 1) }
}

function shown(text: string | undefined): string {
  return (text ?? '').slice(0, 200)
}

function requestMetrics(
  metrics: Metrics,
): (route: string, method: string, status: number, ms: number) => void {
  const seconds = metrics.histogram(
    'cloche_http_request_seconds',
    'Time from a request’s head to its answer.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  )
  const known = new Set(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS'])
  return (route, method, status, ms) => {
    seconds.observe(ms / 1000, {
      route,
      method: known.has(method) ? method : 'other',
      status: String(status),
    })
  }
}

/** What the HTTP parser refuses never becomes a request; it still gets an answer in our words. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
