import type { ExecutionRequest, InputFile } from '../../execution/request.ts'
import type { Problem } from '../../model/errors.ts'
import { fail } from '../../model/errors.ts'
import type { ExecutionRecord } from '../../model/execution.ts'
import { executionAnswer } from '../answer.ts'
import { requestFromBody } from '../from-body.ts'
import { mediaType, readJson } from '../kernel/body.ts'
import { type Answer, type Context, type Route, route } from '../kernel/route.ts'
import { readForm } from '../multipart.ts'
import { type ApiParts, callerOf } from '../parts.ts'
import { accepted, execution } from '../schema/answers.ts'
import { type ExecuteBody, executeRequest } from '../schema/execute-request.ts'
import { conforms } from '../schema/schema.ts'
import { normaliseExecute } from '../schema/spelling.ts'

export function executeRoutes(parts: ApiParts): Route[] {
  return ['/api/v1/execute', '/execute'].map((path) =>
    route({
      method: 'POST',
      path,
      summary: path === '/execute' ? 'The same as POST /api/v1/execute.' : 'Run code and wait for its end.',
      tag: 'executions',
      scope: 'execute',
      body: executeRequest,
      rawBody: true,
      answers: {
        200: { description: 'How it went; a program that failed is an answer too.', schema: execution },
        202: { description: 'With `Prefer: respond-async`: accepted, and on disk.', schema: accepted },
      },
      handle: (context) => execute(parts, context),
    }),
  )
}

async function execute(parts: ApiParts, context: Context): Promise<Answer> {
  const request = await readRequest(parts, context)
  const caller = callerOf(context)
  if (prefersAsync(context)) {
    const record = await parts.executions.accept(caller, request)
    return acceptedAnswer(record)
  }
  const started = await parts.executions.begin(caller, request)
  if (started.kind === 'recorded') return executionAnswer(started.record, parts.blobs)
  const { live, repeated } = started
  // Whoever gave an idempotency key will ask again; nobody else can ever get the result.
  const abandon = (): void => live.end('cancelled')
  if (!repeated && request.idempotencyKey === null) {
    if (context.signal.aborted) abandon()
    context.signal.addEventListener('abort', abandon, { once: true })
  }
  const record = await live.finished
  if (live.failure !== undefined) throw live.failure
  return executionAnswer(record, parts.blobs, 200, timingHeaders(record))
}

function acceptedAnswer(record: ExecutionRecord): Answer {
  return {
    status: 202,
    json: { executionId: record.id, status: record.status },
    headers: { location: `/api/v1/executions/${record.id}`, 'preference-applied': 'respond-async' },
  }
}

/** For browsers' and proxies' own tools. */
function timingHeaders({ phases, startKind }: ExecutionRecord): Record<string, string> {
  if (phases === null) return {}
  const timing = `queue;dur=${phases.queueMs}, start;dur=${phases.startMs}, run;dur=${phases.runMs}`
  return { 'server-timing': timing, ...(startKind === null ? {} : { 'x-cloche-start': startKind }) }
}

function prefersAsync(context: Context): boolean {
  const header = context.incoming.headers['prefer']
  const text = Array.isArray(header) ? header.join(',') : (header ?? '')
  return text.split(/[,;]/).some((part) => part.trim().toLowerCase() === 'respond-async')
}

async function readRequest(parts: ApiParts, context: Context): Promise<ExecutionRequest> {
  const { settings } = parts
  if (mediaType(context.incoming) === 'multipart/form-data') {
    const form = await readForm(context.incoming, parts.blobs, { ...settings.uploads, body: settings.body })
    return checkedRequest(parts, form.request, { uploads: form.files })
  }
  return checkedRequest(parts, await readJson(context.incoming, settings.body), {})
}

/** A body as it came, respelled, checked and completed. */
export function checkedRequest(
  parts: Pick<ApiParts, 'settings'>,
  json: unknown,
  extras: { readonly uploads?: readonly InputFile[]; readonly interactive?: boolean },
): ExecutionRequest {
  const problems: Problem[] = []
  const body: unknown = normaliseExecute(json, problems)
  if (
    !conforms<ExecuteBody>(
      executeRequest as typeof executeRequest & { type?: ExecuteBody },
      body,
      problems,
    ) ||
    problems.length > 0
  ) {
    return fail('invalid_request', { problems })
  }
  return requestFromBody(body, parts.settings.ceilings, extras)
}
