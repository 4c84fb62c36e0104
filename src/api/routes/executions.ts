import { BEGINNING, type Position, type StreamName } from '../../execution/output-log.ts'
import { fail } from '../../model/errors.ts'
import { EXECUTION_STATUSES } from '../../model/execution-status.ts'
import { type ExecutionId, isExecutionId, type TenantId } from '../../model/ids.ts'
import { executionAnswer, summaryOf } from '../answer.ts'
import type { Context, Route } from '../kernel/route.ts'
import { route } from '../kernel/route.ts'
import { type ApiParts, callerOf } from '../parts.ts'
import { accepted, execution, executionList } from '../schema/answers.ts'
import { boolean, integer, oneOf, optional, string } from '../schema/schema.ts'
import { serveEvents } from './events.ts'
import { tailPosition } from './tail.ts'

const PAGE = 50

export function executionRoutes(parts: ApiParts): Route[] {
  return [listRoute(parts), ...recordRoutes(parts), cancelRoute(parts), logsRoute(parts), eventsRoute(parts)]
}

function listRoute({ executions }: ApiParts): Route {
  return route({
    method: 'GET',
    path: '/api/v1/executions',
    summary: 'Executions, newest first.',
    tag: 'executions',
    scope: 'execute',
    query: {
      limit: optional(integer({ minimum: 1, maximum: 200, default: PAGE })),
      cursor: optional(string({ maxLength: 200, description: '`nextCursor` of the page before.' })),
      status: optional(oneOf(EXECUTION_STATUSES)),
    },
    answers: { 200: { description: 'One page.', schema: executionList } },
    handle: async (context) => {
      const { limit = PAGE, cursor, status } = context.query
      const page = await executions.list(callerOf(context).tenantId, { limit, cursor, status })
      return { status: 200, json: { executions: page.items.map(summaryOf), nextCursor: page.cursor } }
    },
  })
}

function recordRoutes({ executions, blobs }: ApiParts): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/executions/{id}',
      summary: 'One execution with its output.',
      tag: 'executions',
      scope: 'execute',
      answers: { 200: { description: 'As it is now.', schema: execution } },
      handle: async (context) => executionAnswer(await executions.get(...named(context)), blobs),
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/executions/{id}',
      summary: 'Remove an execution that has ended, with its output.',
      tag: 'executions',
      scope: 'execute',
      answers: { 204: { description: 'It is gone.' } },
      handle: async (context) => {
        await executions.delete(...named(context))
        return { status: 204 }
      },
    }),
  ]
}

function cancelRoute({ executions }: ApiParts): Route {
  return route({
    method: 'POST',
    path: '/api/v1/executions/{id}/cancel',
    summary: 'End an execution.',
    tag: 'executions',
    scope: 'execute',
    answers: { 200: { description: 'It has ended.', schema: accepted } },
    handle: async (context) => {
      const record = await executions.cancel(...named(context))
      return { status: 200, json: { executionId: record.id, status: record.status } }
    },
  })
}

function logsRoute(parts: ApiParts): Route {
  return route({
    method: 'GET',
    path: '/api/v1/executions/{id}/logs',
    summary: 'Output as plain bytes.',
    tag: 'executions',
    scope: 'execute',
    query: {
      stream: optional(oneOf(['stdout', 'stderr'], { description: 'Both unless given.' })),
      tail: optional(integer({ minimum: 0, maximum: 1_000_000, description: 'Only the last lines.' })),
      follow: optional(boolean({ description: 'Go on until the execution ends.' })),
    },
    answers: { 200: { description: 'The bytes.', type: 'application/octet-stream' } },
    handle: async (context) => {
      const [tenantId, id] = named(context)
      await parts.executions.get(tenantId, id)
      const { stream, tail, follow = false } = context.query
      const chunks = logBytes(parts, tenantId, id, { stream, tail, follow, signal: context.signal })
      return { status: 200, chunks, type: 'text/plain; charset=utf-8' }
    },
  })
}

interface LogQuery {
  readonly stream: StreamName | undefined
  readonly tail: number | undefined
  readonly follow: boolean
  readonly signal: AbortSignal
}

async function* logBytes(
  { executions }: ApiParts,
  tenantId: TenantId,
  id: ExecutionId,
  { stream, tail, follow, signal }: LogQuery,
): AsyncGenerator<Buffer, void, void> {
  const live = executions.liveOf(tenantId, id)
  const now = live?.output.now()
  const until = follow ? undefined : now
  let from: Position = BEGINNING
  if (tail !== undefined) {
    const all = (): AsyncGenerator<{ stream: StreamName; bytes: Buffer; position: Position }> =>
      live === undefined
        ? executions.follow(tenantId, id, BEGINNING, signal)
        : live.output.until(now ?? BEGINNING, signal)
    from = await tailPosition(all(), tail, stream)
  }
  const pieces =
    live !== undefined && until !== undefined
      ? live.output.until(until, signal, from)
      : executions.follow(tenantId, id, from, signal)
  for await (const piece of pieces) if (stream === undefined || piece.stream === stream) yield piece.bytes
}

function eventsRoute(parts: ApiParts): Route {
  return route({
    method: 'GET',
    path: '/api/v1/executions/{id}/events',
    summary: 'Output and end as server-sent events; goes on after `Last-Event-ID`.',
    tag: 'executions',
    scope: 'execute',
    answers: { 200: { description: 'Events started, stdout, stderr, exit.', type: 'text/event-stream' } },
    handle: (context) => serveEvents(parts, context, ...named(context)),
  })
}

/** Whose, and which. What is no id is nobody's. */
export function named(context: Context): [TenantId, ExecutionId] {
  const id = context.params['id'] ?? ''
  if (!isExecutionId(id)) fail('not_found', { what: 'execution', id: id.slice(0, 100) })
  return [callerOf(context).tenantId, id]
}
