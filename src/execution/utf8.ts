import { isUtf8 } from 'node:buffer'

/** Whether bytes that come in pieces are UTF-8 as a whole; a character cut by a piece's end is no mistake. */
export class Utf8Check {
  #valid = true
  /** The beginning of a character whose rest has not come yet. */
  #open: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): void {
    if (!this.#valid) return
    const bytes = this.#open.length === 0 ? chunk : Buffer.concat([this.#open, chunk])
    const whole = bytes.length - openBytes(bytes)
    this.#valid = isUtf8(bytes.subarray(0, whole))
    // A copy of at most three bytes: a view would keep the whole chunk in memory.
    this.#open = Buffer.from(bytes.subarray(whole))
  }

  /** Of everything so far, taken as complete. */
  get valid(): boolean {
    return this.#valid && this.#open.length === 0
  }
}

/** How many bytes at the end belong to a character that is not complete. */
export function openBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
}
