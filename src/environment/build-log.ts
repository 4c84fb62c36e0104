import { StringDecoder } from 'node:string_decoder'

const KEPT_CHARS = 256 * 1024
/** A follower that reads slower than the build writes loses the middle, not the server's memory. */
const WAITING_CHARS = 1024 * 1024

/** What a build says: its last part is kept, and whoever follows reads along. */
export class BuildLog {
  #text = ''
  #dropped = 0
  #closed = false
  readonly #decoder = new StringDecoder('utf8')
  readonly #followers = new Set<() => void>()

  write(chunk: Buffer | string): void {
    if (this.#closed) return
    this.#text += typeof chunk === 'string' ? chunk : this.#decoder.write(chunk)
    // Cut seldom, so that a long log is not copied for each line of it.
    if (this.#text.length > 2 * KEPT_CHARS) {
      this.#dropped += this.#text.length - KEPT_CHARS
      this.#text = this.#text.slice(-KEPT_CHARS)
    }
    this.#wake()
  }

  /** Followers end when they have read everything. */
  close(): void {
    this.#closed = true
    this.#wake()
  }

  /** The last part, with a line that says so if the beginning is missing. */
  get text(): string {
    const missing = this.#dropped + Math.max(0, this.#text.length - KEPT_CHARS)
    return missing === 0
      ? this.#text
      : `… ${missing} characters before this are not kept\n${this.#text.slice(-KEPT_CHARS)}`
  }

  /** What is kept, then what comes, until the build ends. */
  async *follow(signal?: AbortSignal): AsyncGenerator<string> {
    let at = this.#dropped
    for (;;) {
      signal?.throwIfAborted()
      const from = Math.max(at, this.#dropped, this.#dropped + this.#text.length - WAITING_CHARS)
      const text = this.#text.slice(from - this.#dropped)
      at = this.#dropped + this.#text.length
      if (text !== '') yield text
      else if (this.#closed) return
      else await this.#change(signal)
    }
  }

  #change(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const changed = (): void => {
        this.#followers.delete(changed)
        signal?.removeEventListener('abort', aborted)
        resolve()
      }
      const aborted = (): void => {
        this.#followers.delete(changed)
        reject(signal?.reason)
      }
      this.#followers.add(changed)
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }

  #wake(): void {
    for (const changed of [...this.#followers]) changed()
  }
}
