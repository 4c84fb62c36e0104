// How the command line ends when something went wrong: three lines a person can act on, and a code a script can.
import type { CommanderError } from 'commander'

/**
 * The exit codes of the command line itself. `run` otherwise passes on the program's own code, and 128 + n for signal n.
 * They follow the shell, GNU timeout and docker run, which scripts know.
 */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  /** The program ran out of time. */
  timeout: 124,
  /** The platform could not run the program, or could not be asked. Only `run`; other commands use `failure`. */
  notRun: 125,
  cancelled: 130,
  /** The program ran out of memory, or was killed. */
  killed: 137,
  /** Nobody reads our output any more. */
  readerGone: 141,
} as const

/** A mistake in how the command was called, or in what it found on this machine. */
export class CliError extends Error {
  readonly title: string
  readonly hint: string
  readonly exitCode: number
  readonly code: string

  constructor(
    title: string,
    detail: string,
    hint: string,
    exitCode: number = exitCodes.usage,
    code = 'usage',
  ) {
    super(detail)
    this.title = title
    this.hint = hint
    this.exitCode = exitCode
    this.code = code
  }
}

/** Wraps what went wrong in `run`, so that scripts can tell it from the program's own failure. */
export class NotRun extends Error {
  constructor(cause: unknown) {
    super('the program was not run to its end', { cause })
  }
}

interface Told {
  readonly title: string
  readonly why: string
  readonly hint: string
  readonly code: string
}

export function explain(error: unknown): string {
  if (isCommanderError(error) && error.exitCode === 0) return ''
  const { title, why, hint, code } = told(error)
  return `cloche: ${title} [${code}]\n  why: ${why}\n  try: ${hint}\n`
}

export function exitCodeOf(error: unknown): number {
  if (isCommanderError(error)) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof CliError) return error.exitCode
  return error instanceof NotRun ? exitCodes.notRun : exitCodes.failure
}

function told(error: unknown): Told {
  if (error instanceof NotRun) return told(error.cause)
  if (isCommanderError(error)) return toldByCommander(error)
  if (error instanceof CliError) {
    return { title: error.title, why: error.message, hint: error.hint, code: error.code }
  }
  if (hasOurParts(error)) {
    const reference = error.requestId === undefined ? '' : ` (request ${error.requestId})`
    const hint = error.code === 'connection_failed' ? noServerHint : error.hint
    return { title: error.title, why: `${error.detail || error.title}${reference}`, hint, code: error.code }
  }
  return {
    title: 'Something went wrong inside the command line',
    why: error instanceof Error ? (error.stack ?? error.message) : String(error),
    hint: 'This is a defect of Cloche: please report it with the lines above.',
    code: 'internal',
  }
}

const noServerHint =
  'start a server with `make up` or `cloche serve`, or name one with --endpoint or CLOCHE_ENDPOINT; `cloche doctor` tells what this machine can do'

function toldByCommander(error: CommanderError): Told {
  return {
    title: 'The command line was not understood',
    why: error.message.replace(/^error: /, '').replace('\n', ' '),
    hint: '`cloche --help`, or `cloche COMMAND --help`',
    code: 'usage',
  }
}

interface OurParts {
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly hint: string
  readonly requestId?: string
}

/** The SDK's errors and the server's own (from `serve` and `doctor`) have the same parts. */
function hasOurParts(error: unknown): error is OurParts {
  return error instanceof Error && 'code' in error && 'title' in error && 'detail' in error && 'hint' in error
}

/** By its code and not by its class: that would load the library for `serve` too. */
function isCommanderError(error: unknown): error is CommanderError {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.')
}
