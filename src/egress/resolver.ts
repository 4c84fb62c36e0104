import { lookup } from 'node:dns/promises'
import { abortable } from '../std/abort.ts'
import type { Clock } from '../std/clock.ts'

/** What a name stands for right now. `missing` and `failed` are different: only the first is the name's own fault. */
export type Resolved =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed' }

export type Lookup = (name: string) => Promise<readonly string[]>

/** The host's own way of resolving, its hosts file and name service included. */
export const systemLookup: Lookup = async (name) =>
  (await lookup(name, { all: true, order: 'ipv4first' })).map((one) => one.address)

/** Long enough for a question and the connection that follows it, short enough that a changed name is seen. */
const KEEP_MS = 5000
const MOST_KEPT = 4096
const MOST_ADDRESSES = 16
const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA', 'EAI_NONAME', 'EAI_NODATA'])

/** Resolves names for all sandboxes; questions for one name at one time become one. */
export class Resolver {
  readonly #lookup: Lookup
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #kept = new Map<string, { readonly result: Promise<Resolved>; readonly untilMs: number }>()

  constructor(lookup: Lookup, clock: Clock, timeoutMs = 5000) {
    this.#lookup = lookup
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  resolve(name: string): Promise<Resolved> {
    const nowMs = this.#clock.monotonic()
    const known = this.#kept.get(name)
    if (known !== undefined && known.untilMs > nowMs) return known.result
    if (this.#kept.size >= MOST_KEPT) this.#forget(nowMs)
    const result = this.#ask(name)
    this.#kept.set(name, { result, untilMs: nowMs + KEEP_MS })
    return result
  }

  async #ask(name: string): Promise<Resolved> {
    const controller = new AbortController()
    const timer = this.#clock.after(this.#timeoutMs, () =>
      controller.abort(new Error('the name service is silent')),
    )
    try {
      const addresses = await abortable(this.#lookup(name), controller.signal)
      return { kind: 'addresses', addresses: addresses.slice(0, MOST_ADDRESSES) }
    } catch (error) {
      this.#kept.delete(name)
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      return { kind: NO_SUCH_NAME.has(code) ? 'missing' : 'failed' }
    } finally {
      timer.cancel()
    }
  }

  #forget(nowMs: number): void {
    for (const [name, entry] of this.#kept) if (entry.untilMs <= nowMs) this.#kept.delete(name)
    // All of them fresh: someone asks for very many names. The oldest have been answered already.
    for (const name of this.#kept.keys()) {
      if (this.#kept.size < MOST_KEPT) break
      this.#kept.delete(name)
    }
  }
}
