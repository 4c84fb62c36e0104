// `cloche executions list | get | cancel | delete`.
import type { Execution, ExecutionSummary } from '../../../sdk/typescript/src/index.ts'
import { EXECUTION_STATUSES, isExecutionStatus } from '../../model/execution-status.ts'
import { formatBytes, formatDuration } from '../../std/units.ts'
import { connectWithKey } from '../connection.ts'
import { CliError } from '../failure.ts'
import type { ClientFlags } from '../flags.ts'
import { facts, note, printJson, printResult, table } from '../output.ts'
import { numberOf } from '../run-request.ts'

export type ListFlags = ClientFlags & {
  readonly limit?: string
  readonly cursor?: string
  readonly status?: string
}

export async function listExecutions(flags: ListFlags): Promise<void> {
  const { limit, cursor, status } = flags
  if (status !== undefined && !isExecutionStatus(status)) {
    const hint = `--status takes one of ${EXECUTION_STATUSES.join(', ')}`
    throw new CliError('The command line was not understood', `there is no status "${status}"`, hint)
  }
  const page = await (await connectWithKey(flags)).executions.list({
    ...(limit === undefined ? {} : { limit: numberOf('--limit', limit) }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(status === undefined ? {} : { status }),
  })
  if (flags.json === true) return printJson(page)
  printResult(
    table(['ID', 'STATUS', 'EXIT', 'LANGUAGE', 'START', 'TOOK', 'CREATED'], page.executions.map(row)),
  )
  if (page.executions.length === 0) note('nothing has run yet')
  if (page.nextCursor !== null) note(`more with: --cursor ${page.nextCursor}`)
}

function row(execution: ExecutionSummary): string[] {
  const { executionId, status, exitCode, signal, language, startKind, durationMs, createdAt } = execution
  return [
    executionId,
    status,
    exitCode === null ? (signal ?? '-') : String(exitCode),
    language ?? 'command',
    startKind ?? '-',
    durationMs === null ? '-' : formatDuration(durationMs),
    createdAt,
  ]
}

export async function getExecution(id: string, flags: ClientFlags): Promise<void> {
  const execution = await (await connectWithKey(flags)).executions.get(id)
  if (flags.json === true) return printJson(execution)
  printResult(facts(known(execution)))
  note(`its output: cloche logs ${id}`)
}

function known(execution: Execution): readonly (readonly [string, string | number | null | undefined])[] {
  const { error, phases, peakMemoryBytes, durationMs, limits } = execution
  return [
    ['id', execution.executionId],
    ['status', execution.status],
    ['exit code', execution.exitCode],
    ['signal', execution.signal],
    ['reason', error === undefined ? undefined : `${error.detail} [${error.code}]`],
    ['language', execution.language ?? 'command'],
    ['mode', execution.mode],
    ['start', execution.startKind],
    ['took', durationMs === null ? null : formatDuration(durationMs)],
    [
      'phases',
      phases === null
        ? null
        : Object.entries(phases)
            .map(([name, ms]) => `${name} ${ms}`)
            .join(', '),
    ],
    ['cpu', execution.cpuTimeMs === null ? null : formatDuration(execution.cpuTimeMs)],
    ['peak memory', peakMemoryBytes === null ? null : formatBytes(peakMemoryBytes)],
    [
      'limits',
      `${limits.cpuMillis / 1000} cpu, ${formatBytes(limits.memoryBytes)}, ${limits.pids} processes, ${formatDuration(execution.timeoutMs)}`,
    ],
    [
      'wrote',
      `${formatBytes(execution.stdoutBytes)} to stdout, ${formatBytes(execution.stderrBytes)} to stderr`,
    ],
    ['created', execution.createdAt],
    ['started', execution.startedAt],
    ['finished', execution.finishedAt],
  ]
}

export async function cancelExecution(id: string, flags: ClientFlags): Promise<void> {
  const cancelled = await (await connectWithKey(flags)).executions.cancel(id)
  if (flags.json === true) printJson(cancelled)
  else note(`${cancelled.executionId} is ${cancelled.status}`)
}

export async function deleteExecution(id: string, flags: ClientFlags): Promise<void> {
  await (await connectWithKey(flags)).executions.delete(id)
  if (flags.json !== true) note(`${id} is deleted`)
}
