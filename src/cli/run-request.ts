// The words of `cloche run` turned into an execute request. Pure but for reading the files that are named.
import { readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import type { ExecuteRequest } from '../../sdk/typescript/src/index.ts'
import { LANGUAGES, type Language, MODES, type Mode } from '../model/execution.ts'
import { parseBytes, parseDurationMs } from '../std/units.ts'
import { CliError } from './failure.ts'

export interface RunFlags {
  readonly eval?: string
  readonly command?: boolean
  readonly language?: string
  readonly mode?: string
  readonly timeout?: string
  readonly memory?: string
  readonly cpu?: string
  readonly disk?: string
  readonly pids?: string
  readonly network?: string
  readonly env: readonly string[]
  readonly file: readonly string[]
  readonly output: readonly string[]
  readonly cwd?: string
  readonly environment?: string
}

const languageOfEnding: Readonly<Record<string, Language>> = {
  '.py': 'python',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.cjs': 'javascript',
  '.ts': 'typescript',
  '.mts': 'typescript',
  '.sh': 'bash',
  '.bash': 'bash',
}

export function requestFor(words: readonly string[], flags: RunFlags): ExecuteRequest {
  const resources = resourcesOf(flags)
  return {
    ...programOf(words, flags),
    ...(flags.env.length === 0 ? {} : { env: Object.fromEntries(flags.env.map(variable)) }),
    ...(flags.file.length === 0 ? {} : { files: Object.fromEntries(flags.file.map(fileToSend)) }),
    ...(flags.output.length === 0 ? {} : { outputs: flags.output.map((pair) => outputPlace(pair).remote) }),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: durationOf('--timeout', flags.timeout) }),
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    ...(flags.network === undefined ? {} : { network: networkOf(flags.network) }),
    ...(flags.mode === undefined ? {} : { mode: modeOf(flags.mode) }),
    ...(flags.environment === undefined ? {} : { environment: flags.environment }),
  }
}

function programOf(words: readonly string[], flags: RunFlags): ExecuteRequest {
  if (flags.command === true) {
    if (words.length > 0 && flags.eval === undefined) return { command: [...words] }
    throw wrong('--command needs a program', 'cloche run --command ls -l /usr')
  }
  if (flags.eval !== undefined) {
    if (flags.language === undefined) {
      throw wrong('--eval needs --language', `add --language with one of ${LANGUAGES.join(', ')}`)
    }
    return codeOf(flags.eval, languageNamed(flags.language), words)
  }
  const [path, ...args] = words
  if (path === undefined) {
    throw wrong(
      'there is nothing to run',
      "name a file, or give code: cloche run -e 'print(1)' --language python",
    )
  }
  const code = path === '-' ? read('/dev/stdin').toString() : read(path).toString()
  return codeOf(
    code,
    flags.language === undefined ? languageOf(path, code) : languageNamed(flags.language),
    args,
  )
}

function codeOf(code: string, language: Language, args: readonly string[]): ExecuteRequest {
  return args.length === 0 ? { code, language } : { code, language, args: [...args] }
}

/** By the name's ending, else by the interpreter in its first line. */
export function languageOf(path: string, code: string): Language {
  const byName = languageOfEnding[extname(path).toLowerCase()]
  if (byName !== undefined) return byName
  const interpreter = /^#!.*\b(python|node|bash|sh)[\d.]*\s*$/m.exec(code.split('\n', 1)[0] ?? '')?.[1]
  switch (interpreter) {
    case 'python':
      return 'python'
    case 'node':
      return 'javascript'
    case 'bash':
      return 'bash'
    case 'sh':
      return 'shell'
    default:
      throw wrong(
        `the language of ${path} cannot be told from its name or first line`,
        'name it with --language',
      )
  }
}

function languageNamed(name: string): Language {
  const language = LANGUAGES.find((one) => one === name)
  if (language !== undefined) return language
  throw wrong(`there is no language "${name}"`, `--language takes one of ${LANGUAGES.join(', ')}`)
}

function modeOf(name: string): Mode {
  const mode = MODES.find((one) => one === name)
  if (mode !== undefined) return mode
  throw wrong(`there is no mode "${name}"`, '--mode takes ephemeral or cached')
}

function variable(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  const value = process.env[text]
  if (at < 0 && value !== undefined) return [text, value]
  throw wrong(`--env ${text} has no value, and no such variable is set here`, '--env NAME=value')
}

function fileToSend(pair: string): [string, Uint8Array] {
  const at = pair.indexOf(':')
  const local = at < 0 ? pair : pair.slice(0, at)
  const remote = at < 0 ? basename(pair) : pair.slice(at + 1)
  if (local === '' || remote === '')
    throw wrong(`--file ${pair} names no file`, '--file local.csv:data/remote.csv')
  return [remote, read(local)]
}

/** `remote` alone comes back under its own name, into the present folder. */
export function outputPlace(pair: string): { remote: string; local: string } {
  const at = pair.indexOf(':')
  const remote = at < 0 ? pair : pair.slice(0, at)
  const local = at < 0 ? basename(pair) : pair.slice(at + 1)
  if (remote === '' || local === '')
    throw wrong(`--output ${pair} names no file`, '--output plot.png:here.png')
  return { remote, local }
}

function resourcesOf(flags: RunFlags): NonNullable<ExecuteRequest['resources']> {
  return {
    ...(flags.cpu === undefined ? {} : { cpuCores: numberOf('--cpu', flags.cpu) }),
    ...(flags.memory === undefined ? {} : { memoryMb: mebibytes('--memory', flags.memory) }),
    ...(flags.disk === undefined ? {} : { diskMb: mebibytes('--disk', flags.disk) }),
    ...(flags.pids === undefined ? {} : { pids: numberOf('--pids', flags.pids) }),
  }
}

function networkOf(text: string): NonNullable<ExecuteRequest['network']> {
  if (text === 'none' || text === 'all') return text
  return { allow: text.split(',').map((one) => one.trim()) }
}

export function durationOf(flag: string, text: string): number {
  const ms = parseDurationMs(text)
  if (ms !== undefined) return ms
  throw wrong(
    `${flag} ${text} is not a duration`,
    `write it with a unit: ${flag} 30s, ${flag} 500ms, ${flag} 5m`,
  )
}

function mebibytes(flag: string, text: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined && bytes > 0) return Math.ceil(bytes / 1024 ** 2)
  throw wrong(`${flag} ${text} is not a size`, `write it with a unit: ${flag} 512m, ${flag} 2g`)
}

export function numberOf(flag: string, text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw wrong(`${flag} ${text} is not a number`, `write it like ${flag} 2`)
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CliError(
      `${path} cannot be read`,
      reason,
      'check the name; paths are relative to the present folder',
    )
  }
}

function wrong(detail: string, hint: string): CliError {
  return new CliError('The command line was not understood', detail, hint)
}
