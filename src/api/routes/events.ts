import { isUtf8 } from 'node:buffer'
import { BEGINNING, type Position } from '../../execution/output-log.ts'
import { openBytes } from '../../execution/utf8.ts'
import type { ExecutionRecord } from '../../model/execution.ts'
import type { ExecutionId, TenantId } from '../../model/ids.ts'
import type { ServerResponse } from '../kernel/node-http.ts'
import { drained } from '../kernel/respond.ts'
import type { Answer, Context } from '../kernel/route.ts'
import type { ApiParts } from '../parts.ts'

/**
 * An event's id says how much of each stream has been sent with it and before: a caller who comes back with the last one
 * goes on exactly there, while the execution runs and long after.
 */
export async function serveEvents(
  parts: ApiParts,
  context: Context,
  tenantId: TenantId,
  id: ExecutionId,
): Promise<Answer> {
  await parts.executions.get(tenantId, id)
  const { outgoing, signal } = context
  const last = context.incoming.headers['last-event-id']
  const from = typeof last === 'string' ? positionOf(last) : undefined
  outgoing.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  // The line a proxy waits for before it passes anything on.
  outgoing.write(':\n\n')
  const beat = setInterval(
    () => void (outgoing.writableNeedDrain || outgoing.write(': heartbeat\n\n')),
    parts.settings.stream.heartbeatMs,
  )
  try {
    if (last !== ENDED) await sendEvents(parts, outgoing, { tenantId, id, from, signal })
  } finally {
    clearInterval(beat)
  }
  outgoing.end()
  return 'taken'
}

const ENDED = 'end'

async function sendEvents(
  parts: ApiParts,
  outgoing: ServerResponse,
  which: { tenantId: TenantId; id: ExecutionId; from: Position | undefined; signal: AbortSignal },
): Promise<void> {
  const { tenantId, id, from, signal } = which
  const live = parts.executions.liveOf(tenantId, id)
  if (from === undefined) {
    await live?.started
    await send(parts, outgoing, 'started', '0-0', { executionId: id })
  }
  for await (const piece of parts.executions.follow(tenantId, id, from ?? BEGINNING, signal)) {
    const { stdout, stderr } = piece.position
    const sent = await send(parts, outgoing, piece.stream, `${stdout}-${stderr}`, encodedPiece(piece.bytes))
    if (!sent) return
  }
  if (signal.aborted) return
  const record = live === undefined ? await parts.executions.get(tenantId, id) : await live.finished
  await send(parts, outgoing, 'exit', ENDED, exitOf(record))
}

function send(
  parts: ApiParts,
  outgoing: ServerResponse,
  type: string,
  id: string,
  data: object,
): Promise<boolean> {
  const text = `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
  if (outgoing.destroyed) return Promise.resolve(false)
  return outgoing.write(text) ? Promise.resolve(true) : drained(outgoing, parts.settings.slowReaderMs)
}

function positionOf(id: string): Position | undefined {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(id)
  return match === null ? undefined : { stdout: Number(match[1]), stderr: Number(match[2]) }
}

/** As text where the piece is text by itself, so that a person can read the wire; else base64. */
export function encodedPiece(bytes: Buffer): { data: string; encoding: 'utf8' | 'base64' } {
  return openBytes(bytes) === 0 && isUtf8(bytes)
    ? { data: bytes.toString('utf8'), encoding: 'utf8' }
    : { data: bytes.toString('base64'), encoding: 'base64' }
}

export function exitOf(record: ExecutionRecord): object {
  const { stdout, stderr } = record
  return {
    executionId: record.id,
    status: record.status,
    exitCode: record.exitCode,
    signal: record.signal,
    durationMs: record.durationMs,
    phases: record.phases,
    cpuTimeMs: record.cpuTimeMs,
    peakMemoryBytes: record.peakMemoryBytes,
    startKind: record.startKind,
    truncated: { stdout: stdout?.truncated ?? false, stderr: stderr?.truncated ?? false },
    ...(record.error === null ? {} : { error: record.error }),
  }
}
