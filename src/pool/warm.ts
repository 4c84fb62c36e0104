import type { Sandbox } from '../sandbox/driver.ts'

export interface WarmSettings {
  readonly max: number
  readonly idleMs: number
  readonly maxUses: number
}

interface Resting {
  readonly key: string
  readonly sandbox: Sandbox
  readonly uses: number
  readonly sinceMs: number
}

/**
 * Sandboxes that have run something and were reset, each to be used again under exactly the key it was put away with: the
 * key begins with the tenant. Oldest first in every order here.
 */
export class WarmSandboxes {
  readonly #settings: WarmSettings
  /** In the order they were put away. */
  readonly #resting = new Map<Sandbox, Resting>()
  readonly #byKey = new Map<string, Resting[]>()

  constructor(settings: WarmSettings) {
    this.#settings = settings
  }

  get size(): number {
    return this.#resting.size
  }

  /** The one used last under this key, and how often it was used. */
  take(key: string): { readonly sandbox: Sandbox; readonly uses: number } | undefined {
    // One that ended while it rested stays for whoever clears it away.
    const found = this.#byKey.get(key)?.findLast((resting) => resting.sandbox.endReason === undefined)
    if (found !== undefined) this.drop(found.sandbox)
    return found
  }

  /** False when it was used often enough, or there is no place for any. */
  wants(uses: number): boolean {
    return uses < this.#settings.maxUses && this.#settings.max > 0
  }

  /** Puts a sandbox away; what has to go for it is returned. */
  put(key: string, sandbox: Sandbox, uses: number, nowMs: number): Sandbox | undefined {
    const evicted = this.#resting.size >= this.#settings.max ? this.takeOldest() : undefined
    const resting = { key, sandbox, uses, sinceMs: nowMs }
    this.#resting.set(sandbox, resting)
    const line = this.#byKey.get(key)
    if (line === undefined) this.#byKey.set(key, [resting])
    else line.push(resting)
    return evicted
  }

  takeOldest(): Sandbox | undefined {
    const [sandbox] = this.#resting.keys()
    if (sandbox !== undefined) this.drop(sandbox)
    return sandbox
  }

  takeExpired(nowMs: number): Sandbox[] {
    const expired: Sandbox[] = []
    for (const { sandbox, sinceMs } of this.#resting.values()) {
      if (nowMs - sinceMs < this.#settings.idleMs) break
      expired.push(sandbox)
    }
    for (const sandbox of expired) this.drop(sandbox)
    return expired
  }

  /** True if it was here. */
  drop(sandbox: Sandbox): boolean {
    const resting = this.#resting.get(sandbox)
    if (resting === undefined) return false
    this.#resting.delete(sandbox)
    const line = this.#byKey.get(resting.key)
    line?.splice(line.indexOf(resting), 1)
    if (line?.length === 0) this.#byKey.delete(resting.key)
    return true
  }
}
