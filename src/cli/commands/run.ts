// `cloche run`: one execution, its output live on this terminal, its exit code as ours.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  bytesOf,
  type Cloche,
  type ExecuteRequest,
  type Execution,
  type ExecutionStream,
  type StreamEnd,
} from '../../../sdk/typescript/src/index.ts'
import { connectWithKey } from '../connection.ts'
import { CliError, exitCodes, NotRun } from '../failure.ts'
import type { ClientFlags } from '../flags.ts'
import { note, printJson, printResult } from '../output.ts'
import { outputPlace, type RunFlags, requestFor } from '../run-request.ts'
import { forwardInput, holdTerminal, terminalSize } from '../terminal.ts'

export type RunCommandFlags = ClientFlags &
  RunFlags & { readonly stdin?: boolean; readonly tty?: boolean; readonly detach?: boolean }

export async function runCommand(
  file: string | undefined,
  args: readonly string[],
  flags: RunCommandFlags,
): Promise<void> {
  const words = file === undefined ? args : [file, ...args]
  const request = requestFor(words, flags)
  checkCombination(flags)
  try {
    const client = await connectWithKey(flags)
    if (flags.detach === true) await detach(client, request, flags)
    else if (flags.json === true) process.exitCode = await runForJson(client, request, flags)
    else process.exitCode = await runLive(client, request, flags)
  } catch (error) {
    throw new NotRun(error)
  }
}

function checkCombination(flags: RunCommandFlags): void {
  const refuse = (detail: string, hint: string): never => {
    throw new CliError('The command line was not understood', detail, hint)
  }
  if (flags.tty === true && flags.json === true)
    refuse('--tty and --json exclude each other', 'leave one of them out')
  if (flags.detach === true && (flags.tty === true || flags.stdin === true)) {
    refuse('--detach has nobody to type input', 'leave out --stdin and --tty')
  }
  if (flags.tty === true && !process.stdin.isTTY) {
    refuse('--tty needs a terminal here as well', 'use --stdin to pass on a pipe')
  }
}

async function detach(client: Cloche, request: ExecuteRequest, flags: RunCommandFlags): Promise<void> {
  const accepted = await client.start(request)
  if (flags.json === true) return printJson(accepted)
  printResult(`${accepted.executionId}\n`)
  note(`follow it with: cloche logs --follow ${accepted.executionId}`)
}

async function runForJson(client: Cloche, request: ExecuteRequest, flags: RunCommandFlags): Promise<number> {
  const stop = new AbortController()
  const interrupted = (): void => stop.abort()
  process.once('SIGINT', interrupted)
  process.once('SIGTERM', interrupted)
  try {
    const stdin = flags.stdin === true ? { stdin: await everythingOn(process.stdin) } : {}
    const result = await client.execute({ ...request, ...stdin }, { signal: stop.signal })
    printJson(result)
    saveOutputs(result.outputs, flags.output)
    return exitCodeFor(result)
  } catch (error) {
    if (stop.signal.aborted) return exitCodes.cancelled
    throw error
  } finally {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
  }
}

async function everythingOn(input: NodeJS.ReadStream): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of input) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

async function runLive(client: Cloche, request: ExecuteRequest, flags: RunCommandFlags): Promise<number> {
  const stream = client.stream(flags.tty === true ? { ...request, pty: terminalSize() } : request)
  const restore = flags.tty === true ? holdTerminal(stream) : () => {}
  const input = flags.tty === true || flags.stdin === true ? forwardInput(stream) : closedInput(stream)
  const asked = cancelOnSignals(client, stream)
  stream.on('output', (_text, bytes) => process.stdout.write(bytes))
  stream.on('stderr', (_text, bytes) => process.stderr.write(bytes))
  try {
    const end = await stream.result()
    if (flags.output.length > 0) {
      saveOutputs((await client.executions.get(end.executionId)).outputs, flags.output)
    }
    sayHowItEnded(end)
    return asked.cancel ? exitCodes.cancelled : exitCodeFor(end)
  } catch (error) {
    if (asked.cancel) return exitCodes.cancelled
    throw error
  } finally {
    asked.release()
    input.stop()
    restore()
  }
}

function closedInput(stream: ExecutionStream): { stop(): void } {
  stream.endInput()
  return { stop: () => {} }
}

interface Asked {
  cancel: boolean
  release(): void
}

/** The first Ctrl-C cancels the execution and waits for its end; the second does not wait. */
function cancelOnSignals(client: Cloche, stream: ExecutionStream): Asked {
  const asked: Asked = {
    cancel: false,
    release: () => {
      process.off('SIGINT', interrupted)
      process.off('SIGTERM', interrupted)
    },
  }
  const interrupted = (): void => {
    const id = stream.executionId
    if (asked.cancel || id === undefined) {
      asked.cancel = true
      stream.close()
      return
    }
    asked.cancel = true
    note('cloche: cancelling; once more to leave without waiting')
    client.executions.cancel(id).catch(() => stream.close())
  }
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
  return asked
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSYS: 31,
}

export function exitCodeFor(end: {
  readonly status: string
  readonly exitCode?: number | null
  readonly signal?: string | null
}): number {
  switch (end.status) {
    case 'timeout':
      return exitCodes.timeout
    case 'oom':
    case 'killed':
      return exitCodes.killed
    case 'cancelled':
      return exitCodes.cancelled
    case 'error':
      return exitCodes.notRun
    default:
      if (typeof end.exitCode === 'number') return end.exitCode
      return 128 + (signalNumbers[end.signal ?? ''] ?? 0)
  }
}

const endings: Readonly<Record<string, string>> = {
  timeout: 'it ran out of time (--timeout) and was killed',
  oom: 'it ran out of memory (--memory) and was killed',
  killed: 'it was ended from outside',
  cancelled: 'it was cancelled before its code began',
  error: 'the platform could not run it to its end',
}

function sayHowItEnded(end: StreamEnd): void {
  const ending = endings[end.status]
  if (ending === undefined) return
  const reason = end.error === null ? '' : `: ${end.error.detail} [${end.error.code}]`
  note(`cloche: ${ending}${reason}`)
  note(`  more with: cloche executions get ${end.executionId}`)
}

/** Writes what came back where --output said; files of a folder keep their places below it. */
function saveOutputs(outputs: Execution['outputs'] | undefined, wanted: readonly string[]): void {
  for (const pair of wanted) {
    const { remote, local } = outputPlace(pair)
    const found = Object.entries(outputs ?? {}).filter(
      ([path]) => path === remote || path.startsWith(`${remote}/`),
    )
    let saved = 0
    for (const [path, output] of found) {
      if (output.missing === true) continue
      const target = path === remote ? local : join(local, safeBelow(path.slice(remote.length + 1)))
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, bytesOf(output))
      saved++
    }
    if (saved === 0) note(`cloche: the program left nothing at ${remote}`)
  }
}

/** A hostile program chooses the names in its folder: none may lead out of ours. */
function safeBelow(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.' && part !== '..')
  return parts.length === 0 ? basename(path) : join(...parts)
}
