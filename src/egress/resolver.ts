import { NODATA, NOTFOUND, Resolver as SystemResolver } from 'node:dns/promises'
import { isIP } from 'node:net'

/** What a name stands for right now. `missing` and `failed` are different: only the first is the name's own fault. */
export type Resolved =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'missing' }
  | { readonly kind: 'failed' }

/** Rejects with an error whose code is ENOTFOUND or ENODATA when there is no such name or no address under it. */
export type Lookup = (name: string) => Promise<readonly string[]>

/**
 * Asks name servers over sockets of its own. `dns.lookup` would take one of the four threads that file access needs too,
 * and any sandbox could hold all of them with names that nobody answers. The host's hosts file is not consulted: its
 * names are the machine's own business.
 */
export function nameServerLookup(servers: readonly string[], timeoutMs: number): Lookup {
  const resolver = new SystemResolver({ timeout: timeoutMs, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  return async (name) => {
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const found = [v4, v6].flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (found.length === 0)
      throw v4.status === 'rejected' && !isMissing(v4.reason) ? v4.reason : (reasonOf(v6) ?? reasonOf(v4))
    return found
  }
}

function reasonOf(result: PromiseSettledResult<unknown>): unknown {
  return result.status === 'rejected' ? result.reason : undefined
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === NOTFOUND || error.code === NODATA)
}

const MOST_ADDRESSES = 16
const MOST_AT_ONCE = 1024

/**
 * Resolves names for all sandboxes. Questions for one name at one time become one; nothing is kept, so that what is dialled
 * is what the name stands for at that moment.
 */
export class Resolver {
  readonly #lookup: Lookup
  readonly #asking = new Map<string, Promise<Resolved>>()

  constructor(lookup: Lookup) {
    this.#lookup = lookup
  }

  async resolve(name: string): Promise<Resolved> {
    const asked = this.#asking.get(name)
    if (asked !== undefined) return asked
    if (this.#asking.size >= MOST_AT_ONCE) return { kind: 'failed' }
    const asking = this.#ask(name).finally(() => this.#asking.delete(name))
    this.#asking.set(name, asking)
    return asking
  }

  async #ask(name: string): Promise<Resolved> {
    try {
      const addresses = (await this.#lookup(name)).filter((address) => isIP(address) !== 0)
      return { kind: 'addresses', addresses: addresses.slice(0, MOST_ADDRESSES) }
    } catch (error) {
      return { kind: isMissing(error) ? 'missing' : 'failed' }
    }
  }
}
