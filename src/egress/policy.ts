import { domainToASCII } from 'node:url'
import { CidrSet, parseCidr } from './addresses.ts'

/** What one sandbox may reach, as the request says it. */
export type NetworkRequest = 'none' | 'all' | { readonly allow: readonly string[] }

/**
 * A policy decides by the name a program asked for, or by the address when it used one directly. Names are not judged by
 * networks nor addresses by names: an address in a listed network reached by an unlisted name is refused, since already
 * looking that name up would let a program talk to whoever runs the name's server.
 */
export interface NetworkPolicy {
  allowsName(name: string): boolean
  allowsAddress(address: string): boolean
}

const EVERYTHING: NetworkPolicy = { allowsName: () => true, allowsAddress: () => true }
const NOTHING: NetworkPolicy = { allowsName: () => false, allowsAddress: () => false }

export function compilePolicy(request: NetworkRequest): NetworkPolicy {
  if (request === 'all') return EVERYTHING
  if (request === 'none') return NOTHING
  const rules = request.allow.map(parseRule)
  const names = new Set(rules.flatMap((rule) => (rule?.kind === 'name' ? [rule.name] : [])))
  const suffixes = rules.flatMap((rule) => (rule?.kind === 'below' ? [`.${rule.name}`] : []))
  const networks = new CidrSet(rules.flatMap((rule) => (rule?.kind === 'network' ? [rule.cidr] : [])))
  return {
    allowsName: (name) => names.has(name) || suffixes.some((suffix) => name.endsWith(suffix)),
    allowsAddress: (address) => networks.has(address),
  }
}

export type Rule =
  | { readonly kind: 'name'; readonly name: string }
  /** `*.example.com`: every name under it, at any depth, not itself. */
  | { readonly kind: 'below'; readonly name: string }
  | { readonly kind: 'network'; readonly cidr: string }

/** undefined: neither a name, nor a wildcard name, nor an address or CIDR. */
export function parseRule(text: string): Rule | undefined {
  if (parseCidr(text) !== undefined) return { kind: 'network', cidr: text }
  const below = text.startsWith('*.')
  const name = normaliseName(below ? text.slice(2) : text)
  if (name === undefined || /^[\d.]+$/.test(name)) return undefined
  return { kind: below ? 'below' : 'name', name }
}

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/

/** Lower case, ASCII, without the root's dot; undefined when it is no host name. */
export function normaliseName(text: string): string | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text
  const ascii = (/^[\x00-\x7f]*$/.test(bare) ? bare : domainToASCII(bare)).toLowerCase()
  if (ascii.length === 0 || ascii.length > 253) return undefined
  return ascii.split('.').every((label) => LABEL.test(label)) ? ascii : undefined
}
