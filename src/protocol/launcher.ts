import { ProtocolError } from './frames.ts'

/** u32 LE length, then fields joined by NUL: verb, tag, key=value… */
const MAX_MESSAGE_BYTES = 16_384

export type LauncherVerb =
  | 'hello'
  | 'zygote'
  | 'zygote-stop'
  | 'create'
  | 'limit'
  | 'stat'
  | 'freeze'
  | 'thaw'
  | 'kill'
  | 'list'

export type LauncherFields = Readonly<Record<string, string | number>>

export function encodeLauncherRequest(verb: LauncherVerb, tag: number, fields: LauncherFields): Buffer {
  let text = `${verb}\0${tag}`
  for (const key in fields) {
    const value = String(fields[key])
    if (value.includes('\0')) throw new RangeError(`${key} of ${verb} holds a NUL character`)
    text += `\0${key}=${value}`
  }
  const bytes = Buffer.byteLength(text, 'utf8')
  if (bytes > MAX_MESSAGE_BYTES)
    throw new RangeError(`a ${verb} of ${bytes} bytes is more than the launcher reads`)
  const message = Buffer.allocUnsafe(4 + bytes)
  message.writeUInt32LE(bytes, 0)
  message.write(text, 4, 'utf8')
  return message
}

/** `ok` and `err` answer the request of the same tag; anything else is an event with tag 0. */
export interface LauncherMessage {
  readonly verb: string
  readonly tag: number
  readonly fields: ReadonlyMap<string, string>
}

/** A number field, or 0 when it is missing or not one. */
export function numberField(message: LauncherMessage, key: string): number {
  const value = Number(message.fields.get(key) ?? 0)
  return Number.isFinite(value) ? value : 0
}

export class LauncherReader {
  readonly #listener: (message: LauncherMessage) => void
  #partial: Buffer<ArrayBufferLike> = Buffer.alloc(0)

  constructor(listener: (message: LauncherMessage) => void) {
    this.#listener = listener
  }

  push(chunk: Buffer): void {
    let rest = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk])
    while (rest.length >= 4) {
      const bytes = rest.readUInt32LE(0)
      if (bytes === 0 || bytes > MAX_MESSAGE_BYTES)
        throw new ProtocolError(`a launcher message of ${bytes} bytes`)
      if (rest.length < 4 + bytes) break
      this.#listener(parse(rest.toString('utf8', 4, 4 + bytes)))
      rest = rest.subarray(4 + bytes)
    }
    this.#partial = rest
  }
}

function parse(text: string): LauncherMessage {
  const [verb = '', tagText = '', ...pairs] = text.split('\0')
  const tag = Number(tagText)
  if (verb === '' || !Number.isSafeInteger(tag) || tag < 0)
    throw new ProtocolError('a launcher message without verb or tag')
  const fields = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    if (at > 0) fields.set(pair.slice(0, at), pair.slice(at + 1))
  }
  return { verb, tag, fields }
}
