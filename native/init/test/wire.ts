/**
 * The init protocol byte by byte, for tests that must also be able to break it. Nothing here checks what is sent.
 */
import { connect, type Socket } from 'node:net'

export const Type = {
  exec: 0x01,
  execPart: 0x02,
  dial: 0x03,
  listen: 0x04,
  accept: 0x05,
  reset: 0x06,
  stdin: 0x10,
  resize: 0x11,
  signal: 0x12,
  credit: 0x13,
  stdout: 0x20,
  stderr: 0x21,
  exit: 0x22,
  error: 0x23,
  started: 0x24,
  incoming: 0x25,
  dgram: 0x26,
  creditStdin: 0x27,
} as const

export const Flag = { pty: 1, stdin: 2, runtime: 4, keep: 8, builtin: 16 } as const

export interface Frame {
  readonly type: number
  readonly payload: Buffer
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, index) => bytes.writeUInt32LE(value >>> 0, 4 * index))
  return bytes
}

export function frame(type: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([u32(payload.length), Buffer.from([type]), payload])
}

export function field(tag: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([tag]), u32(bytes.length), bytes])
}

export interface ExecSpec {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly uid?: number
  readonly flags?: number
  readonly limits?: readonly (readonly [resource: number, soft: bigint, hard: bigint])[]
  readonly size?: readonly [cols: number, rows: number]
  readonly job?: string
}

export function execFields(spec: ExecSpec): Buffer {
  const fields: Buffer[] = []
  for (const arg of spec.args ?? []) fields.push(field(1, arg))
  for (const [name, value] of Object.entries(spec.env ?? {})) fields.push(field(2, `${name}=${value}`))
  if (spec.cwd !== undefined) fields.push(field(3, spec.cwd))
  if (spec.uid !== undefined) fields.push(field(4, u32(spec.uid)))
  fields.push(field(5, u32(spec.flags ?? 0)))
  for (const [resource, soft, hard] of spec.limits ?? []) {
    const bytes = Buffer.alloc(20)
    bytes.writeUInt32LE(resource)
    bytes.writeBigUInt64LE(soft, 4)
    bytes.writeBigUInt64LE(hard, 12)
    fields.push(field(6, bytes))
  }
  if (spec.size !== undefined) fields.push(field(7, size(...spec.size)))
  if (spec.job !== undefined) fields.push(field(8, spec.job))
  return Buffer.concat(fields)
}

export function size(cols: number, rows: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt16LE(cols)
  bytes.writeUInt16LE(rows, 2)
  return bytes
}

export function record(path: string, mode: number, content: string | Uint8Array = ''): Buffer {
  const bytes = Buffer.from(content)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([u32(Buffer.byteLength(path)), Buffer.from(path), u32(mode), length, bytes])
}

/** One connection: frames are kept as they come, and whoever waits for more is woken. */
export class Wire {
  readonly frames: Frame[] = []
  readonly socket: Socket
  /** Whether output is credited as it arrives. */
  crediting = true
  /** Whether frames are kept; without it only their output is counted. */
  keeping = true
  output = 0
  closed = false
  #rest: Buffer = Buffer.alloc(0)
  #wake: () => void = () => {}

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true })
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.socket.on('error', () => {})
    const over = () => {
      this.closed = true
      this.#wake()
    }
    this.socket.on('end', over)
    this.socket.on('close', over)
  }

  send(type: number, payload?: Uint8Array): void {
    this.socket.write(frame(type, payload))
  }

  raw(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  credit(bytes: number): void {
    this.send(Type.credit, u32(bytes))
  }

  /** Resolves when the condition holds, rejects when the connection is over or time is up without it. */
  async until(condition: (wire: Wire) => boolean, what = 'a frame', timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!condition(this)) {
      if (this.closed) throw new Error(`closed while waiting for ${what}: ${this.describe()}`)
      if (Date.now() > deadline) throw new Error(`no ${what} in ${timeoutMs} ms: ${this.describe()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, deadline - Date.now()))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async next(type: number, timeoutMs?: number): Promise<Frame> {
    await this.until((wire) => wire.find(type) !== undefined, `frame 0x${type.toString(16)}`, timeoutMs)
    const found = this.find(type)
    if (found === undefined) throw new Error('unreachable: the condition held')
    return found
  }

  find(type: number): Frame | undefined {
    return this.frames.find((each) => each.type === type)
  }

  bytesOf(type: number): Buffer {
    return Buffer.concat(this.frames.filter((each) => each.type === type).map((each) => each.payload))
  }

  /** The bytes of a type so far, which are then forgotten. */
  take(type: number): Buffer {
    const bytes = this.bytesOf(type)
    this.frames.splice(0, this.frames.length, ...this.frames.filter((each) => each.type !== type))
    return bytes
  }

  text(type: number = Type.stdout): string {
    return this.bytesOf(type).toString()
  }

  async over(timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!this.closed && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
    if (!this.closed) throw new Error(`still open: ${this.describe()}`)
  }

  describe(): string {
    const list = this.frames
      .slice(-8)
      .map((each) => `0x${each.type.toString(16)}[${each.payload.subarray(0, 120)}]`)
    return list.join(' ') || 'nothing came'
  }

  close(): void {
    this.socket.destroy()
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let output = 0
    while (bytes.length >= 5) {
      const length = bytes.readUInt32LE(0)
      if (bytes.length < 5 + length) break
      const type = bytes[4] ?? 0
      if (this.keeping) this.frames.push({ type, payload: Buffer.from(bytes.subarray(5, 5 + length)) })
      if (type === Type.stdout || type === Type.stderr) output += length
      bytes = bytes.subarray(5 + length)
    }
    this.#rest = bytes
    this.output += output
    if (this.crediting && output > 0) this.credit(output)
    this.#wake()
  }
}
