import { StringDecoder } from 'node:string_decoder'
import type { Blobs } from '../blobs/blobs.ts'
import { readKept } from '../execution/kept.ts'
import { Utf8Check } from '../execution/utf8.ts'
import type { ExecutionRecord, Kept, StreamRecord } from '../model/execution.ts'
import type { Answer, Headers } from './kernel/route.ts'

/** Answers up to this size are one piece with a length; larger ones are streamed from where their bytes are. */
const WHOLE_BYTES = 1024 * 1024
const JSON_TYPE = 'application/json; charset=utf-8'

/** Everything about an execution but its bytes: what lists show. */
export function summaryOf(record: ExecutionRecord): Record<string, unknown> {
  return {
    executionId: record.id,
    status: record.status,
    language: record.language,
    mode: record.mode,
    exitCode: record.exitCode,
    signal: record.signal,
    durationMs: record.durationMs,
    startKind: record.startKind,
    createdAt: isoTime(record.createdAt),
    startedAt: isoTime(record.startedAt),
    finishedAt: isoTime(record.finishedAt),
    ...(record.error === null ? {} : { error: record.error }),
    ...(record.startKind === 'replay' ? { cached: true } : {}),
  }
}

export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** The whole answer: the same for the caller who waited and for whoever asks later. */
export async function executionAnswer(
  record: ExecutionRecord,
  blobs: Blobs,
  status = 200,
  headers: Headers = {},
): Promise<Answer> {
  const stdout = await encodedStream(blobs, record.stdout)
  const stderr = await encodedStream(blobs, record.stderr)
  const outputs = await encodedOutputs(blobs, record)
  const { stdout: out, stderr: err } = record
  const facts = {
    ...summaryOf(record),
    stdoutEncoding: stdout.encoding,
    stderrEncoding: stderr.encoding,
    truncated: { stdout: out?.truncated ?? false, stderr: err?.truncated ?? false },
    stdoutBytes: out?.producedBytes ?? 0,
    stderrBytes: err?.producedBytes ?? 0,
    phases: record.phases,
    cpuTimeMs: record.cpuTimeMs,
    peakMemoryBytes: record.peakMemoryBytes,
    environmentId: record.environmentId,
    limits: record.limits,
    timeoutMs: record.timeoutMs,
  }
  const parts = [
    JSON.stringify(facts).slice(0, -1),
    ',"stdout":',
    stdout,
    ',"stderr":',
    stderr,
    ...outputs,
    '}',
  ]
  const bytes = parts.reduce((sum, part) => sum + (typeof part === 'string' ? 0 : part.bytes), 0)
  const chunks = rendered(blobs, parts)
  if (bytes > WHOLE_BYTES) return { status, chunks, type: JSON_TYPE, headers }
  let text = ''
  for await (const chunk of chunks) text += chunk
  return { status, text, type: JSON_TYPE, headers }
}

/** Kept bytes that become a JSON string. */
interface EncodedBytes {
  readonly kept: Kept | undefined
  readonly bytes: number
  readonly encoding: 'utf8' | 'base64'
}

async function encodedStream(blobs: Blobs, stream: StreamRecord | null): Promise<EncodedBytes> {
  return encoded(blobs, stream?.kept)
}

async function encoded(blobs: Blobs, kept: Kept | undefined): Promise<EncodedBytes> {
  if (kept === undefined) return { kept, bytes: 0, encoding: 'utf8' }
  if ('text' in kept) return { kept, bytes: kept.bytes, encoding: kept.encoding }
  const check = new Utf8Check()
  for await (const chunk of readKept(blobs, kept)) check.push(chunk)
  return { kept, bytes: kept.bytes, encoding: check.valid ? 'utf8' : 'base64' }
}

async function encodedOutputs(blobs: Blobs, record: ExecutionRecord): Promise<Array<string | EncodedBytes>> {
  const parts: Array<string | EncodedBytes> = [',"outputs":{']
  for (const [index, { path, kept }] of record.outputs.entries()) {
    const name = `${index === 0 ? '' : ','}${JSON.stringify(path)}:`
    if (kept === null) {
      parts.push(`${name}{"missing":true}`)
      continue
    }
    const content = await encoded(blobs, kept)
    const field = content.encoding === 'utf8' ? 'text' : 'base64'
    parts.push(`${name}{"size":${kept.bytes},"${field}":`, content, '}')
  }
  return [...parts, '}']
}

async function* rendered(
  blobs: Blobs,
  parts: readonly (string | EncodedBytes)[],
): AsyncGenerator<string, void, void> {
  for (const part of parts) {
    if (typeof part === 'string') yield part
    else if (part.kept === undefined) yield '""'
    else if ('text' in part.kept) yield JSON.stringify(part.kept.text)
    else yield* jsonString(readKept(blobs, part.kept), part.encoding)
  }
}

/** A JSON string in pieces: no character and no base64 group is cut. */
export async function* jsonString(
  chunks: AsyncIterable<Buffer>,
  encoding: 'utf8' | 'base64',
): AsyncGenerator<string, void, void> {
  const decoder = new StringDecoder(encoding)
  yield '"'
  for await (const chunk of chunks) yield JSON.stringify(decoder.write(chunk)).slice(1, -1)
  yield `${JSON.stringify(decoder.end()).slice(1, -1)}"`
}
