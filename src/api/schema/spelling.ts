import type { Problem } from '../../model/errors.ts'
import { isObject, member } from '../../std/words.ts'

/**
 * Other spellings of the execute request, turned into the one the schema knows, before anything is checked. snake_case of
 * every key the platform named is accepted; keys the caller named (variables, paths) are left alone. A setting given in
 * two spellings is a problem, unless both say the same.
 */
export function normaliseExecute(body: unknown, problems: Problem[]): unknown {
  if (!isObject(body)) return body
  const root = respell(body, TOP, '', problems)
  const resources = isObject(root['resources'])
    ? respell(root['resources'], RESOURCES, 'resources', problems)
    : root['resources']
  const moved = moveResources(root, resources, problems)
  for (const key of ['resultCache', 'network', 'environment']) {
    const value = moved[key]
    if (isObject(value)) moved[key] = respell(value, {}, key, problems)
  }
  moved['env'] = pairsToObject(moved['env'])
  if (moved['env'] === undefined) delete moved['env']
  return moved
}

type Names = Readonly<Record<string, string | Conversion>>
interface Conversion {
  readonly to: string
  readonly times: number
}

const TOP: Names = {
  env_vars: 'env',
  envVars: 'env',
  working_dir: 'cwd',
  workingDir: 'cwd',
  timeout_secs: { to: 'timeoutMs', times: 1000 },
  timeoutSecs: { to: 'timeoutMs', times: 1000 },
  timeout: 'timeoutMs',
}

const RESOURCES: Names = {
  disk_gb: { to: 'diskMb', times: 1024 },
  diskGb: { to: 'diskMb', times: 1024 },
}

/** Where the seed's two generations put them: beside `code`, not in `resources`. */
const RESOURCE_KEYS = ['cpuCores', 'memoryMb', 'diskMb', 'diskGb', 'pids']

function respell(
  given: Record<string, unknown>,
  names: Names,
  path: string,
  problems: Problem[],
): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(given)) {
    const alias = Object.hasOwn(names, key) ? names[key] : undefined
    const target = typeof alias === 'object' ? alias.to : (alias ?? camel(key))
    const said = typeof alias === 'object' && typeof value === 'number' ? value * alias.times : value
    if (target in result && result[target] !== said) {
      problems.push({ path: member(path, key), message: `is given twice; "${target}" says something else` })
    } else {
      result[target] = said
    }
  }
  return result
}

function moveResources(
  root: Record<string, unknown>,
  resources: unknown,
  problems: Problem[],
): Record<string, unknown> {
  const flat = Object.fromEntries(
    RESOURCE_KEYS.flatMap((key) => (key in root ? [[key, root[key]] as const] : [])),
  )
  for (const key of Object.keys(flat)) delete root[key]
  const given = respell(flat, RESOURCES, '', problems)
  if (resources !== undefined && !isObject(resources)) return root
  const merged: Record<string, unknown> = { ...resources }
  // The seed's own documents put the time limit among the resources too.
  if (merged['timeoutMs'] !== undefined) given['timeoutMs'] = merged['timeoutMs']
  delete merged['timeoutMs']
  for (const [key, value] of Object.entries(given)) {
    const home = key === 'timeoutMs' ? root : merged
    if (home[key] !== undefined && home[key] !== value) {
      problems.push({ path: key, message: 'is given twice, with different values' })
    } else {
      home[key] = value
    }
  }
  if (Object.keys(merged).length > 0 || resources !== undefined) root['resources'] = merged
  return root
}

/** The later seed writes variables as a list of pairs. */
function pairsToObject(env: unknown): unknown {
  if (!Array.isArray(env)) return env
  const isPair = (one: unknown): one is [string, unknown] =>
    Array.isArray(one) && one.length === 2 && typeof one[0] === 'string'
  return env.every(isPair) ? Object.fromEntries(env) : env
}

/** Keys that are not snake_case stay as they are, so that a problem names them as they were written. */
function camel(key: string): string {
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)+$/.test(key)) return key
  return key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
