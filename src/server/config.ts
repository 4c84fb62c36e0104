import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isObject, nearest } from '../std/words.ts'
import { type Config, SETTINGS, type SettingName } from './settings.ts'

export interface ConfigSources {
  /** `--set key=value` and the flags that have a name of their own, by setting. */
  readonly flags?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** A JSON file, its keys nested or with dots. */
  readonly file?: string
}

/** Everything that is wrong with the settings, at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'invalid_config'
  readonly title = 'The settings are not right'
  readonly detail: string
  readonly hint = 'docs/settings.md lists every setting with its bounds.'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('; '))
    this.detail = problems.join('; ')
    this.problems = problems
  }
}

/** Flags win over variables, those over the file, that over the defaults. Unknown keys fail, all problems together. */
export function parseConfig(sources: ConfigSources): Config {
  const problems: string[] = []
  const given = new Map<SettingName, { readonly value: unknown; readonly from: string }>()
  const take = (key: string, value: unknown, from: string): void => {
    if (isSetting(key)) given.set(key, { value, from })
    else problems.push(`${from}: unknown setting${suggestion(key)}`)
  }
  for (const [key, value] of fromFile(sources.file, problems)) take(key, value, `${sources.file} ${key}`)
  for (const [key, value, name] of fromEnv(sources.env ?? {})) take(key, value, name)
  for (const [key, value] of Object.entries(sources.flags ?? {})) take(key, value, `--set ${key}`)
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const one = isSetting(name) ? given.get(name) : undefined
    const read = one === undefined ? { value: setting.default } : setting.read(one.value)
    if ('problem' in read) problems.push(`${one?.from}: ${read.problem}`)
    else values[name] = read.value
  }
  if (problems.length > 0) throw new ConfigError(problems)
  // Each value was read by the setting of its name.
  const config = values as unknown as Config
  const data = resolve(config.data)
  return Object.freeze({ ...config, data, 'base.dir': resolve(config['base.dir'] || baseDirFor(data)) })
}

/** Base trees are large and the same for every server of a machine: the data folder's own, else the machine's, if it has one. */
function baseDirFor(data: string): string {
  const own = `${data}/base`
  return !existsSync(`${own}/current`) && existsSync(`${MACHINE_BASE_DIR}/current`) ? MACHINE_BASE_DIR : own
}

const MACHINE_BASE_DIR = '/var/lib/cloche/base'

function isSetting(key: string): key is SettingName {
  return Object.hasOwn(SETTINGS, key)
}

function suggestion(key: string): string {
  const near = nearest(key, Object.keys(SETTINGS))
  return near === undefined ? '' : `; did you mean "${near}"?`
}

/** The variable of a setting: `limits.inodesPerMib` is CLOCHE_LIMITS_INODES_PER_MIB. */
export function variableOf(key: string): string {
  return `CLOCHE_${key
    .replaceAll('.', '_')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()}`
}

/** Variables of the project's other commands and of its tests. */
const NOT_SETTINGS =
  /^CLOCHE_(API_KEY|ENDPOINT|CACHE_DIR|BASE_(KEYRING|MIRROR|SECURITY_MIRROR)|TEST_.*|BENCH_.*)$/

function fromEnv(
  env: Readonly<Record<string, string | undefined>>,
): Array<[key: string, value: string, name: string]> {
  const byVariable = new Map(Object.keys(SETTINGS).map((key) => [variableOf(key), key]))
  return Object.entries(env).flatMap(([name, value]) => {
    if (!name.startsWith('CLOCHE_') || value === undefined || NOT_SETTINGS.test(name)) return []
    return [[byVariable.get(name) ?? name, value, name] as [string, string, string]]
  })
}

function fromFile(path: string | undefined, problems: string[]): Array<[string, unknown]> {
  if (path === undefined) return []
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (isObject(json)) return flattened(json, '')
    problems.push(`${path}: must be a JSON object`)
  } catch (error) {
    problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return []
}

function flattened(object: Record<string, unknown>, prefix: string): Array<[string, unknown]> {
  return Object.entries(object).flatMap(([key, value]) =>
    isObject(value)
      ? flattened(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, value] as [string, unknown]],
  )
}
