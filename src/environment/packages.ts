import { createHash } from 'node:crypto'
import type { EnvironmentSpec } from '../model/environment.ts'
import type { Problem } from '../model/error-details.ts'
import { fail } from '../model/errors.ts'
import type { LayerHash, TenantId } from '../model/ids.ts'

/** Of one language. */
export const MOST_PACKAGES = 50

/** A set of packages checked and in one order: equal sets have equal fields, whatever way they were written. */
export interface PackageSet {
  readonly python: readonly string[]
  readonly node: readonly string[]
  readonly allowInstallScripts: boolean
}

/** Fails with `invalid_request` that lists every problem, with paths below `at`; `scripts` is for sets that do not say. */
export function packageSetOf(spec: EnvironmentSpec, at = '', scripts = false): PackageSet {
  const problems: Problem[] = []
  const python = checked(spec.python?.packages ?? [], pythonPackage, `${at}python.packages`, problems)
  const node = checked(spec.node?.packages ?? [], nodePackage, `${at}node.packages`, problems)
  if (problems.length === 0 && python.length + node.length === 0)
    problems.push({ path: at.slice(0, -1), message: 'must name at least one package' })
  if (problems.length > 0) fail('invalid_request', { problems })
  return { python, node, allowInstallScripts: spec.allowInstallScripts ?? scripts }
}

/** What decides a layer's content; `index` is where packages come from. */
export function layerHash(
  tenantId: TenantId,
  set: PackageSet,
  base: string,
  index: readonly (string | null)[],
): LayerHash {
  const facts = JSON.stringify([
    LAYER_FORMAT,
    tenantId,
    base,
    index,
    set.python,
    set.node,
    set.allowInstallScripts,
  ])
  // A hexadecimal sha256 is what a layer hash is.
  return createHash('sha256').update(facts).digest('hex') as LayerHash
}

/** Part of every hash: what is built differently lives elsewhere. */
const LAYER_FORMAT = 1

interface Package {
  /** Two entries with one key are the same package. */
  readonly key: string
  readonly text: string
}

function checked(
  packages: readonly string[],
  parse: (text: string) => Package | string,
  path: string,
  problems: Problem[],
): string[] {
  if (packages.length > MOST_PACKAGES)
    problems.push({ path, message: `must not have more than ${MOST_PACKAGES} entries` })
  const found = new Map<string, string>()
  for (const [index, text] of packages.slice(0, MOST_PACKAGES).entries()) {
    const parsed = parse(text)
    const at = `${path}[${index}]`
    if (typeof parsed === 'string') problems.push({ path: at, message: parsed })
    else if ((found.get(parsed.key) ?? parsed.text) !== parsed.text)
      problems.push({ path: at, message: `asks for "${parsed.key}" in another version than before` })
    else found.set(parsed.key, parsed.text)
  }
  return [...found.values()].sort()
}

const ARCHIVE = /\.(whl|zip|tgz|tar|tar\.(gz|bz2|xz|lzma)|egg)$/i
const PYTHON_NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?'
const PYTHON_VERSIONS = '(?:===?|[<>!~]=|[<>])[A-Za-z0-9][A-Za-z0-9.*+!_-]*'
const PYTHON = new RegExp(
  `^(${PYTHON_NAME})(\\[${PYTHON_NAME}(?:,${PYTHON_NAME})*\\])?(${PYTHON_VERSIONS}(?:,${PYTHON_VERSIONS})*)?$`,
)
const PYTHON_FORM = 'must be a package as "name", "name[extra]" or "name==1.2", no option, URL or path'

/** `requests==2.32`, `httpx[http2]>=0.27,<1`: names by PEP 508, versions by PEP 440. */
export function pythonPackage(text: string): Package | string {
  const [, name, extras = '', versions = ''] = PYTHON.exec(text.replace(/\s+/g, '')) ?? []
  if (name === undefined || text.length > 256 || ARCHIVE.test(text)) return PYTHON_FORM
  const key = name.toLowerCase().replace(/[-_.]+/g, '-')
  return { key, text: `${key}${extras.toLowerCase()}${versions}` }
}

const NODE_NAME = '[A-Za-z0-9~_][A-Za-z0-9._~-]*'
const NODE = new RegExp(`^((?:@${NODE_NAME}/)?${NODE_NAME})(?:@([A-Za-z0-9.*^~<>=|+ -]+))?$`)
const NODE_FORM = 'must be a package as "name", "@scope/name" or "name@1.2", no option, URL or path'

/** `lodash@4`, `@scope/name@^1.2.0`, `typescript@next`: names and ranges of the registry, never aliases or other sources. */
export function nodePackage(text: string): Package | string {
  const [, name, range = ''] = NODE.exec(text.trim()) ?? []
  if (name === undefined || text.length > 256 || ARCHIVE.test(text)) return NODE_FORM
  return { key: name, text: range === '' ? name : `${name}@${range}` }
}
