import { FRAME_HEAD_BYTES, Frame, MAX_FRAME_PAYLOAD, writeFrameHead } from './frames.ts'

/** What init is asked to start, before it is cut into frames. */
export interface ExecFields {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly flags: number
  readonly windowSize?: { readonly cols: number; readonly rows: number }
  readonly job?: Uint8Array
}

export const ExecFlag = {
  pty: 1,
  stdin: 2,
  runtime: 4,
  keep: 8,
  builtin: 16,
} as const

/** All fields of one exec together; what is larger travels as a file. */
export const MAX_EXEC_BYTES = 1 << 20

const Tag = { arg: 1, env: 2, cwd: 3, flags: 5, windowSize: 7, job: 8 } as const
const FIELD_HEAD_BYTES = 5
export const MAX_FIELD_BYTES = MAX_FRAME_PAYLOAD - FIELD_HEAD_BYTES

/** Why the fields cannot be sent; the caller turns it into an error of its own. */
export class ExecFieldError extends Error {
  override readonly name = 'ExecFieldError'
}

/** They would be allowed if they were fewer bytes. */
export class ExecTooLarge extends ExecFieldError {}

/** EXEC_PART frames and the EXEC that runs them, as one buffer. A field never straddles two frames. */
export function encodeExec(fields: ExecFields): Buffer {
  const parts = listFields(fields)
  let bytes = 0
  for (const part of parts) bytes += FIELD_HEAD_BYTES + part.bytes
  if (bytes > MAX_EXEC_BYTES) {
    throw new ExecTooLarge(`arguments, environment and code take ${bytes} bytes, more than ${MAX_EXEC_BYTES}`)
  }
  return pack(parts, bytes)
}

interface Field {
  readonly tag: number
  readonly bytes: number
  readonly value: string | Uint8Array
}

function listFields(fields: ExecFields): Field[] {
  const parts: Field[] = [raw(Tag.flags, u32(fields.flags))]
  if (fields.cwd !== undefined) parts.push(text(Tag.cwd, fields.cwd, 'the working directory'))
  if (fields.windowSize !== undefined) parts.push(raw(Tag.windowSize, encodeWindowSize(fields.windowSize)))
  for (const arg of fields.args ?? []) parts.push(text(Tag.arg, arg, 'an argument'))
  for (const [name, value] of Object.entries(fields.env ?? {})) parts.push(variable(name, value))
  const job = fields.job
  if (job !== undefined) {
    for (let at = 0; at < job.length; at += MAX_FIELD_BYTES) {
      parts.push(raw(Tag.job, job.subarray(at, at + MAX_FIELD_BYTES)))
    }
  }
  return parts
}

/** Each frame is filled until the next field does not fit; the head of a frame is written when the frame is closed. */
function pack(parts: readonly Field[], fieldBytes: number): Buffer {
  // Two neighbouring frames together hold more than one payload, so this many heads are enough.
  const heads = 2 + Math.ceil((2 * fieldBytes) / MAX_FRAME_PAYLOAD)
  const out = Buffer.allocUnsafe(fieldBytes + heads * FRAME_HEAD_BYTES)
  let frameAt = 0
  let at = FRAME_HEAD_BYTES
  for (const part of parts) {
    const size = FIELD_HEAD_BYTES + part.bytes
    if (at - frameAt - FRAME_HEAD_BYTES + size > MAX_FRAME_PAYLOAD) {
      writeFrameHead(out, frameAt, Frame.execPart, at - frameAt - FRAME_HEAD_BYTES)
      frameAt = at
      at += FRAME_HEAD_BYTES
    }
    out[at] = part.tag
    out.writeUInt32LE(part.bytes, at + 1)
    if (typeof part.value === 'string') out.write(part.value, at + FIELD_HEAD_BYTES, 'utf8')
    else out.set(part.value, at + FIELD_HEAD_BYTES)
    at += size
  }
  writeFrameHead(out, frameAt, Frame.exec, at - frameAt - FRAME_HEAD_BYTES)
  return out.subarray(0, at)
}

export function encodeWindowSize(size: { readonly cols: number; readonly rows: number }): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt16LE(clampU16(size.cols), 0)
  bytes.writeUInt16LE(clampU16(size.rows), 2)
  return bytes
}

function clampU16(value: number): number {
  return Math.max(0, Math.min(0xffff, Math.trunc(value)))
}

function variable(name: string, value: string): Field {
  if (name === '' || name.includes('='))
    throw new ExecFieldError(`"${name}" cannot name an environment variable`)
  return text(Tag.env, `${name}=${value}`, `the environment variable ${name}`)
}

function text(tag: number, value: string, what: string): Field {
  if (value.includes('\0')) throw new ExecFieldError(`${what} holds a NUL character`)
  const bytes = Buffer.byteLength(value, 'utf8')
  if (bytes > MAX_FIELD_BYTES)
    throw new ExecTooLarge(`${what} takes ${bytes} bytes, more than ${MAX_FIELD_BYTES}`)
  return { tag, bytes, value }
}

function raw(tag: number, value: Uint8Array): Field {
  return { tag, bytes: value.length, value }
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32LE(value, 0)
  return bytes
}
