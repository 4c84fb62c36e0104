/** Executions as records: accepted, listed, read, followed, cancelled, deleted, and never run twice. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { expectError, type JsonObject } from '../support/client.ts'
import { openEventStream } from '../support/event-stream.ts'
import { eventually } from '../support/eventually.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

async function acceptAsync(request: object, headers: Record<string, string> = {}): Promise<string> {
  const reply = await admin.call('POST', '/api/v1/execute', {
    body: request,
    headers: { prefer: 'respond-async', ...headers },
  })
  assert.equal(reply.status, 202, reply.text)
  const { executionId, status } = reply.json()
  assert.equal(status, 'accepted')
  assert.equal(reply.headers.location, `/api/v1/executions/${executionId}`)
  return String(executionId)
}

async function execution(id: string): Promise<JsonObject> {
  const reply = await admin.call('GET', `/api/v1/executions/${id}`)
  assert.equal(reply.status, 200, reply.text)
  return reply.json()
}

function finished(id: string, withinMs = 20_000): Promise<JsonObject> {
  const done = new Set(['succeeded', 'failed', 'timeout', 'oom', 'killed', 'cancelled', 'error'])
  return eventually(
    async () => {
      const record = await execution(id)
      return done.has(String(record['status'])) ? record : undefined
    },
    { withinMs, what: `the end of ${id}` },
  )
}

test('an accepted execution runs and its record holds the whole answer', async () => {
  const id = await acceptAsync({ language: 'python', code: 'print("later")' })
  const record = await finished(id)
  assert.equal(record['status'], 'succeeded')
  assert.equal(record['stdout'], 'later\n')
  assert.equal(record['exitCode'], 0)
})

test('a synchronous execution is on record as it was answered', async () => {
  const result = await admin.execute({ language: 'bash', code: 'echo kept; echo e >&2; exit 4' })
  const record = await execution(result.executionId)
  for (const field of [
    'status',
    'exitCode',
    'stdout',
    'stderr',
    'startKind',
    'mode',
    'durationMs',
  ] as const) {
    assert.deepEqual(record[field], result[field], field)
  }
})

test('cancelling ends a running execution as killed and keeps what it printed', async () => {
  const id = await acceptAsync({
    language: 'python',
    code: 'import time\nprint("up", flush=True)\ntime.sleep(60)',
  })
  await eventually(
    async () => (await admin.call('GET', `/api/v1/executions/${id}/logs`)).text.includes('up'),
    {
      withinMs: 15_000,
      what: 'the first output',
    },
  )
  const reply = await admin.call('POST', `/api/v1/executions/${id}/cancel`)
  assert.ok(reply.status === 200 || reply.status === 202, reply.text)
  const record = await finished(id)
  assert.deepEqual([record['status'], record['stdout']], ['killed', 'up\n'])
  const again = await admin.call('POST', `/api/v1/executions/${id}/cancel`)
  assert.ok(again.status === 200 || again.status === 409, 'cancelling what has ended harms nothing')
  expectError(await admin.call('POST', '/api/v1/executions/exe_00000000000000000000/cancel'), 404)
})

test('a caller that hangs up ends its synchronous run', async () => {
  const hangUp = new AbortController()
  const mark = `hangup-${process.pid}`
  const pending = admin.call('POST', '/api/v1/execute', {
    body: { language: 'bash', code: `: ${mark}; sleep 60`, timeoutMs: 60_000 },
    signal: hangUp.signal,
  })
  await eventually(async () => (await running()).length > 0, {
    withinMs: 10_000,
    what: 'a running execution',
  })
  hangUp.abort()
  await assert.rejects(pending)
  await eventually(async () => (await running()).length === 0, {
    withinMs: 10_000,
    what: 'the end of the abandoned run',
  })
})

async function running(): Promise<JsonObject[]> {
  const reply = await admin.call('GET', '/api/v1/executions?status=running')
  assert.equal(reply.status, 200, reply.text)
  return reply.json()['executions'] as JsonObject[] // asserted where its fields are used
}

test('lists go from new to old, page by cursor without gaps or repeats, and filter by status', async () => {
  const made: string[] = []
  for (let n = 0; n < 7; n++) {
    made.push((await admin.execute({ language: 'bash', code: `exit ${n % 2}` })).executionId)
  }
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = (await admin.call('GET', `/api/v1/executions?limit=3${query}`)).json()
    const rows = page['executions'] as JsonObject[] // the list the route documents
    assert.ok(rows.length <= 3)
    seen.push(...rows.map((row) => String(row['executionId'])))
    cursor = typeof page['nextCursor'] === 'string' ? page['nextCursor'] : undefined
  } while (cursor !== undefined && seen.length < 500)
  assert.equal(new Set(seen).size, seen.length, 'no execution is listed twice')
  assert.deepEqual(
    seen.filter((id) => made.includes(id)),
    made.toReversed(),
  )
  const failed = (await admin.call('GET', '/api/v1/executions?status=failed&limit=100')).json()[
    'executions'
  ] as JsonObject[]
  assert.ok(failed.length >= 3 && failed.every((row) => row['status'] === 'failed'))
  expectError(await admin.call('GET', '/api/v1/executions?limit=0'), 400)
  expectError(await admin.call('GET', '/api/v1/executions?cursor=%00bad'), 400)
  expectError(await admin.call('GET', '/api/v1/executions?status=nonsense'), 400)
})

test('a deleted execution is gone with its output', async () => {
  const { executionId } = await admin.execute({ language: 'bash', code: 'echo gone' })
  const deleted = await admin.call('DELETE', `/api/v1/executions/${executionId}`)
  assert.ok(deleted.status === 200 || deleted.status === 204, deleted.text)
  expectError(await admin.call('GET', `/api/v1/executions/${executionId}`), 404)
  expectError(await admin.call('GET', `/api/v1/executions/${executionId}/logs`), 404)
})

test('logs give everything, a tail, one stream, or follow until the end', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'for i in 1 2 3 4 5; do echo line $i; done; echo err >&2',
  })
  const path = `/api/v1/executions/${result.executionId}/logs`
  assert.match(
    (await admin.call('GET', `${path}?stream=stdout`)).text,
    /line 1\nline 2\nline 3\nline 4\nline 5\n/,
  )
  const tail = (await admin.call('GET', `${path}?tail=2&stream=stdout`)).text
  assert.ok(tail.includes('line 4') && tail.includes('line 5') && !tail.includes('line 3'), tail)
  const errors = (await admin.call('GET', `${path}?stream=stderr`)).text
  assert.ok(errors.includes('err') && !errors.includes('line'), errors)
  const id = await acceptAsync({ language: 'bash', code: 'for i in 1 2 3; do echo step $i; sleep 0.2; done' })
  const followed = await admin.call('GET', `/api/v1/executions/${id}/logs?follow=true&stream=stdout`)
  assert.match(followed.text, /step 1[\s\S]*step 2[\s\S]*step 3/)
})

test('server-sent events replay from the beginning, go on live, and resume after an id', async () => {
  const id = await acceptAsync({
    language: 'python',
    code: 'import time, sys\nfor i in range(4):\n  print("tick", i, flush=True); time.sleep(0.15)\nsys.exit(3)',
  })
  const events = await openEventStream(server, `/api/v1/executions/${id}/events`).all(20_000)
  const text = events
    .filter((event) => event.type === 'stdout')
    .map((event) => event.text)
    .join('')
  assert.equal(text, 'tick 0\ntick 1\ntick 2\ntick 3\n')
  const exit = events.find((event) => event.type === 'exit')
  assert.equal(exit?.data['exitCode'], 3)
  const ids = events.map((event) => event.id).filter((value) => value !== '')
  assert.equal(new Set(ids).size, ids.length, 'every event has an id of its own')
  const firstOutput = events.find((event) => event.type === 'stdout')
  const resumed = await openEventStream(server, `/api/v1/executions/${id}/events`, {
    'last-event-id': firstOutput?.id ?? '',
  }).all(20_000)
  const rest = resumed
    .filter((event) => event.type === 'stdout')
    .map((event) => event.text)
    .join('')
  assert.equal((firstOutput?.text ?? '') + rest, text, 'nothing is lost or repeated')
})

test('one idempotency key runs once, however often and however quickly it is sent', async () => {
  const request = {
    language: 'python',
    code: 'import uuid\nprint(uuid.uuid4())',
    idempotencyKey: `order-${process.pid}`,
  }
  const answers = await Promise.all(Array.from({ length: 5 }, () => admin.execute(request)))
  assert.equal(new Set(answers.map((answer) => answer.executionId)).size, 1)
  assert.equal(new Set(answers.map((answer) => answer.stdout)).size, 1)
  const different = await admin.call('POST', '/api/v1/execute', {
    body: { ...request, code: 'print("other")' },
  })
  expectError(different, 409)
})

test('the result cache replays equal requests only, says so, and only when asked', async () => {
  const request = {
    language: 'python',
    code: 'import time\nprint(time.time_ns())',
    resultCache: { ttlMs: 60_000 },
  }
  const first = await admin.execute(request)
  const second = await admin.execute(request)
  assert.equal(second.stdout, first.stdout)
  assert.notEqual(first.cached, true)
  assert.equal(second.cached, true)
  assert.ok(second.durationMs <= first.durationMs, 'a replay is not slower')
  const changed = await admin.execute({ ...request, code: `${request.code}  # changed` })
  assert.notEqual(changed.stdout, first.stdout)
  const env = await admin.execute({ ...request, env: { A: '1' } })
  assert.notEqual(env.stdout, first.stdout)
  const unasked = await admin.execute({ language: 'python', code: request.code })
  assert.notEqual(unasked.stdout, first.stdout)
})

test('health, readiness, version, OpenAPI and metrics tell what is there', async () => {
  assert.equal((await admin.call('GET', '/health', { key: null })).status, 200)
  assert.equal((await admin.call('GET', '/ready', { key: null })).status, 200)
  assert.match((await admin.call('GET', '/api/v1/version')).text, /\d+\.\d+\.\d+/)
  const document = (await admin.call('GET', '/openapi.json', { key: null })).json()
  assert.match(String(document['openapi']), /^3\.1/)
  const before = await executionsCounted()
  await admin.execute({ language: 'bash', code: 'true' })
  assert.equal(await executionsCounted(), before + 1, 'metrics count what happened')
})

async function executionsCounted(): Promise<number> {
  const reply = await admin.call('GET', '/metrics')
  assert.equal(reply.status, 200, reply.text)
  let total = 0
  for (const line of reply.text.split('\n')) {
    const value = /^cloche_executions_total(?:\{[^}]*\})? (\d+)/.exec(line)?.[1]
    total += Number(value ?? 0)
  }
  return total
}
