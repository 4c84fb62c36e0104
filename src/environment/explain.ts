import { formatBytes, formatDuration } from '../std/units.ts'
import type { Step } from './install.ts'

/** The build ended without a layer; the message is the reason the user is told. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed'
}

/** What is known about a step that went wrong. */
export interface FailedStep {
  readonly tool: Step['tool']
  /** What it wrote, or the last part of it. */
  readonly output: string
  readonly exit: { readonly code: number | null; readonly signal: string | null }
  readonly outOfMemory: boolean
  readonly allowInstallScripts: boolean
  readonly diskBytes: number
}

export const OUT_OF_MEMORY = 'the build ran out of memory; ask for fewer or smaller packages'

interface Pattern {
  readonly pattern: RegExp
  readonly reason: (found: RegExpExecArray, step: FailedStep) => string
}

const UNREACHABLE =
  /NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Failed to establish a new connection|Name or service not known|Temporary failure in name resolution|SSLError|ProxyError|Connection (?:refused|reset)|Max retries exceeded|\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b/

/** The first that fits is told: what caused the others comes first. */
const PATTERNS: readonly Pattern[] = [
  {
    pattern: /No space left on device|\bENOSPC\b|Disk quota exceeded/,
    reason: (_, { diskBytes }) =>
      `the packages are too large: installing them took more than the ${formatBytes(diskBytes)} a build may have; ask for fewer or smaller ones`,
  },
  {
    pattern: UNREACHABLE,
    reason: (_, { tool }) =>
      `the package index could not be reached by ${tool}; the operator has to make it reachable or name another one (${tool === 'pip' ? 'environments.pipIndexUrl' : 'environments.npmRegistry'})`,
  },
  {
    pattern: /satisfies the requirement (\S+)[^\n]*\(from versions: ([^)\n]+)\)/,
    reason: ([, name, versions], { allowInstallScripts }) =>
      versions === 'none'
        ? `pip found no package "${name}"${allowInstallScripts ? '' : ' that is built for this platform'}; check its name${allowInstallScripts ? '' : ', or set allowInstallScripts if it has to be built from source'}`
        : `pip found no such version of "${name}"; there are ${lastVersions(versions ?? '')}`,
  },
  {
    pattern: /No matching distribution found for (\S+)/,
    reason: ([, name]) => `pip found no package "${name}"; check its name and version`,
  },
  {
    pattern: /ResolutionImpossible|conflicting dependencies/,
    reason: () => 'the Python packages need versions of each other that do not go together; loosen a version',
  },
  {
    pattern: /\bERESOLVE\b/,
    reason: () => 'the npm packages need versions of each other that do not go together; loosen a version',
  },
  {
    pattern: /\bETARGET\b[\s\S]*?No matching version found for ([^\s,]+?)\.?(?:\s|$)/,
    reason: ([, name]) => `npm found no such version: "${name}"; check the version`,
  },
  {
    pattern:
      /\bE404\b[\s\S]*?'([^'\n]+)' (?:is not in this registry|could not be found)|\bE404\b[\s\S]*?GET \S+\/([^\s/]+)/,
    reason: ([, name, path]) => `npm found no package "${packageName(name ?? path ?? '')}"; check its name`,
  },
]

export function explain(step: FailedStep): string {
  if (step.outOfMemory) return OUT_OF_MEMORY
  for (const { pattern, reason } of PATTERNS) {
    const found = pattern.exec(step.output)
    if (found !== null) return plain(reason(found, step))
  }
  const how = step.exit.signal === null ? `exited with ${step.exit.code}` : `was ended by ${step.exit.signal}`
  const said = lastWords(step.output)
  return plain(`${step.tool} ${how}${said === '' ? '' : `: ${said}`}`)
}

export function tookTooLong(limitMs: number): BuildFailed {
  return new BuildFailed(
    `it took longer than the ${formatDuration(limitMs)} a build may have; ask for fewer packages`,
  )
}

const LONGEST_REASON = 600

/** The tools' words come out of the sandbox: no control characters, no end without end. */
function plain(text: string): string {
  return text
    .replace(/[\x00-\x20\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, LONGEST_REASON)
}

/** The last line that tells of an error, else the last one. */
function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  const telling = lines.filter((line) => line !== '' && !/A complete log of this run|^\[notice\]/.test(line))
  return (telling.findLast((line) => /^(ERROR|npm (ERR!|error))/.test(line)) ?? telling.at(-1) ?? '').slice(
    0,
    300,
  )
}

function lastVersions(versions: string): string {
  const all = versions.split(',').map((version) => version.trim())
  return `${all.length > 8 ? '…, ' : ''}${all.slice(-8).join(', ')}`
}

function packageName(text: string): string {
  return text.replace(/(?<=.)@.*$/, '').replace(/%2f/gi, '/')
}
