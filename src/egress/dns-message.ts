/**
 * The few lines of DNS (RFC 1035) a stub resolver's questions need: one question in, one answer out. What comes in is
 * hostile: nothing is followed (no compression in questions), everything has a bound, and what is not understood is
 * answered with an error code or not at all. A full library would parse far more of a hostile packet than is asked for.
 */

export const Type = { a: 1, aaaa: 28 } as const
export const Code = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const
export type ResponseCode = (typeof Code)[keyof typeof Code]

export interface Question {
  readonly id: number
  /** As asked: an answer repeats the caller's capitals. */
  readonly name: string
  readonly type: number
  readonly recursionDesired: boolean
  /** The question as it stood in the packet. */
  readonly raw: Buffer
}

const HEADER_BYTES = 12
const CLASS_INTERNET = 1
const LONGEST_NAME_BYTES = 255

export type Parsed =
  | { readonly kind: 'question'; readonly question: Question }
  /** Deserves an error answer. */
  | { readonly kind: 'refused'; readonly id: number; readonly code: ResponseCode }
  /** Not a query at all: answering it could start a loop. */
  | { readonly kind: 'ignored' }

export function parseQuestion(packet: Buffer): Parsed {
  if (packet.length < HEADER_BYTES) return { kind: 'ignored' }
  const id = packet.readUInt16BE(0)
  const flags = packet.readUInt16BE(2)
  if ((flags & 0x8000) !== 0) return { kind: 'ignored' }
  if ((flags & 0x7800) !== 0) return { kind: 'refused', id, code: Code.notImplemented }
  if (packet.readUInt16BE(4) !== 1) return { kind: 'refused', id, code: Code.formatError }
  const name = readName(packet)
  if (name === undefined || packet.length < name.end + 4)
    return { kind: 'refused', id, code: Code.formatError }
  const type = packet.readUInt16BE(name.end)
  if (packet.readUInt16BE(name.end + 2) !== CLASS_INTERNET)
    return { kind: 'refused', id, code: Code.notImplemented }
  const raw = packet.subarray(HEADER_BYTES, name.end + 4)
  const recursionDesired = (flags & 0x0100) !== 0
  return { kind: 'question', question: { id, name: name.text, type, recursionDesired, raw } }
}

function readName(packet: Buffer): { text: string; end: number } | undefined {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (;;) {
    const length = packet[at]
    if (length === undefined || length > 63) return undefined
    at++
    if (length === 0) return { text: labels.join('.'), end: at }
    if (at + length > packet.length || at + length - HEADER_BYTES > LONGEST_NAME_BYTES - 1) return undefined
    const label = packet.toString('latin1', at, at + length)
    // A dot inside a label would make another name of it.
    if (label.includes('.') || label.includes('\0')) return undefined
    labels.push(label)
    at += length
  }
}

/** An answer without records: an error, or "no such record". */
export function encodeEmpty(question: Question, code: ResponseCode): Buffer {
  return Buffer.concat([header(question.id, code, question.recursionDesired, 1, 0), question.raw])
}

export function encodeRefusal(id: number, code: ResponseCode): Buffer {
  return header(id, code, false, 0, 0)
}

export function encodeAddress(question: Question, address: string, ttlSeconds: number): Buffer {
  const record = Buffer.alloc(16)
  // A pointer to the question's name.
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0)
  record.writeUInt16BE(Type.a, 2)
  record.writeUInt16BE(CLASS_INTERNET, 4)
  record.writeUInt32BE(ttlSeconds, 6)
  record.writeUInt16BE(4, 10)
  for (const [index, part] of address.split('.').entries()) record.writeUInt8(Number(part), 12 + index)
  return Buffer.concat([header(question.id, Code.ok, question.recursionDesired, 1, 1), question.raw, record])
}

function header(
  id: number,
  code: ResponseCode,
  recursionDesired: boolean,
  questions: number,
  answers: number,
): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.writeUInt16BE(id, 0)
  // Answer, recursion available.
  bytes.writeUInt16BE(0x8080 | (recursionDesired ? 0x0100 : 0) | code, 2)
  bytes.writeUInt16BE(questions, 4)
  bytes.writeUInt16BE(answers, 6)
  return bytes
}
