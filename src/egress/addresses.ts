import { BlockList, isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

/**
 * Addresses nobody outside this machine's own network should be asked about on a stranger's behalf: everything the
 * registries of special-purpose addresses list, above all loopback, private, link-local (where cloud metadata lives), shared
 * (carrier-grade NAT), multicast, and every IPv6 form that embeds an IPv4 address.
 */
const SPECIAL: readonly (readonly [cidr: string, what: string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.0.0.0/24', 'reserved'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', 'relay'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/96', 'loopback or IPv4-compatible'],
  ['::ffff:0:0/96', 'IPv4-mapped'],
  ['64:ff9b::/96', 'IPv4-translated'],
  ['64:ff9b:1::/48', 'IPv4-translated'],
  ['100::/64', 'discard'],
  ['2001::/23', 'tunnel or protocol'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'reserved'],
  ['fc00::/7', 'unique local'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
]

/** How long a list of the machine's own addresses is believed. */
const OWN_FOR_MS = 10_000

export type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly reason: string }

const ALLOWED: Verdict = { allowed: true }

/** Judges addresses, never names: a name says nothing about where a connection ends. */
export class AddressGuard {
  readonly #special = SPECIAL.map(([cidr, what]) => ({ set: new CidrSet([cidr]), what }))
  readonly #excepted: CidrSet
  readonly #now: () => number
  readonly #ownAddresses: () => readonly string[]
  #own = new Set<string>()
  #ownUntil = Number.NEGATIVE_INFINITY

  /** `allowPrivate`: networks the operator opens all the same. */
  constructor(
    allowPrivate: readonly string[],
    now: () => number = Date.now,
    ownAddresses: () => readonly string[] = machineAddresses,
  ) {
    this.#excepted = new CidrSet(allowPrivate)
    this.#now = now
    this.#ownAddresses = ownAddresses
  }

  judge(address: string): Verdict {
    if (familyOf(address) === undefined) return { allowed: false, reason: 'it is not an address' }
    if (this.#excepted.has(address)) return ALLOWED
    const special = this.#special.find((one) => one.set.has(address))
    if (special !== undefined)
      return { allowed: false, reason: `${special.what} addresses are not reachable` }
    if (this.#isOwn(address)) return { allowed: false, reason: 'addresses of this machine are not reachable' }
    return ALLOWED
  }

  #isOwn(address: string): boolean {
    if (this.#now() >= this.#ownUntil) {
      this.#own = new Set(this.#ownAddresses().map(canonical))
      this.#ownUntil = this.#now() + OWN_FOR_MS
    }
    return this.#own.has(canonical(address))
  }
}

function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address)
  return version === 4 ? 'ipv4' : version === 6 && !address.includes('%') ? 'ipv6' : undefined
}

/** One spelling for each IPv6 address. */
function canonical(address: string): string {
  const plain = address.split('%', 1)[0] ?? ''
  return isIPv6(plain) ? new URL(`http://[${plain}]`).hostname : plain
}

export interface Cidr {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** `203.0.113.0/24`, `2001:db8::/32`, or one address; undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', prefixText, more] = text.split('/')
  const family = familyOf(address)
  if (family === undefined || more !== undefined) return undefined
  const longest = family === 'ipv4' ? 32 : 128
  if (prefixText === undefined) return { address, prefix: longest, family }
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > longest) return undefined
  return { address, prefix: Number(prefixText), family }
}

/**
 * Networks, each family by itself: Node's own list takes an IPv4 address for its IPv6-mapped form and the reverse, and here
 * these are different things.
 */
export class CidrSet {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() }

  constructor(cidrs: readonly string[]) {
    for (const text of cidrs) {
      const cidr = parseCidr(text)
      if (cidr === undefined) throw new TypeError(`"${text}" is not an address or CIDR`)
      this.#lists[cidr.family].addSubnet(cidr.address, cidr.prefix, cidr.family)
    }
  }

  has(address: string): boolean {
    const family = familyOf(address)
    return family !== undefined && this.#lists[family].check(address, family)
  }
}
