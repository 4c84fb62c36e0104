import { isIP } from 'node:net'

/** Where packages come from, as the operator said it; null leaves the package tool's own default. */
export interface SourceSettings {
  readonly pipIndexUrl: string | null
  readonly npmRegistry: string | null
  /** Further hosts that an index keeps its files on. */
  readonly indexHosts: readonly string[]
}

/** Reached at this port wherever it is: the operator named it. */
export interface IndexPlace {
  readonly name: string
  readonly port: number
  readonly address?: string
}

/** An index as it is written inside the sandbox. */
export interface IndexUrl {
  readonly url: string
  readonly place: IndexPlace
  /** The URL has another host than the operator's: links of the index must be followed under it. */
  readonly renamed: boolean
}

/** Inside a sandbox its own loopback is meant; the machine's goes by this name. */
const LOOPBACK_NAME = 'package-index.internal'

/** Throws for what is no plain http or https URL: at the start of the server, not at the first build. */
export function indexUrl(text: string, what: string): IndexUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new Error(`${what} must be an http or https URL without query, not "${text}"`)
  // Whatever runs in the sandbox reads the URL.
  if (url.username !== '' || url.password !== '') throw new Error(`${what} must not carry a password`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const loopback = loopbackAddress(host)
  if (loopback === undefined) return { url: url.href, place: { name: host, port }, renamed: false }
  url.hostname = LOOPBACK_NAME
  return { url: url.href, place: { name: LOOPBACK_NAME, port, address: loopback }, renamed: true }
}

function loopbackAddress(host: string): string | undefined {
  if (host === 'localhost' || host.endsWith('.localhost')) return '127.0.0.1'
  if (host === '::1') return host
  return isIP(host) === 4 && host.startsWith('127.') ? host : undefined
}

/** Hosts that a tool told for its default, checked: at most a few names. */
export function hostsIn(output: string): string[] {
  const words = output.split(/\s+/).filter((word) => word !== '')
  const hosts = words.map((word) => (URL.canParse(word) ? new URL(word).hostname : word))
  return [...new Set(hosts)].filter((host) => /^(?=.*[a-z])[a-z0-9.-]{1,253}$/i.test(host)).slice(0, 8)
}
