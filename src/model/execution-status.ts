/**
 * The life of an execution.
 *
 * accepted   known and on record; nothing has been asked of the pool yet
 * queued     waiting for a sandbox
 * running    its code may have begun; from here on it is never started again
 * succeeded  the program exited with 0
 * failed     the program exited with another code or by a signal of its own, or its end cannot be known because its sandbox
 *            or server was lost (the record's error says which)
 * timeout    its time was over and it was killed
 * oom        its memory limit was reached and the kernel killed it
 * killed     ended while running: by its caller, or by the platform for breaking a rule (the record's error says which)
 * cancelled  ended by its caller before its code began
 * error      the platform could not run it: its code never began; the record's error says why
 */
export const EXECUTION_STATUSES = [
  'accepted',
  'queued',
  'running',
  'succeeded',
  'failed',
  'timeout',
  'oom',
  'killed',
  'cancelled',
  'error',
] as const

export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number]

/** Which status may follow which. A status with none is final. API actions (`cancel`, `delete`) follow from it too. */
export const EXECUTION_TRANSITIONS: Readonly<Record<ExecutionStatus, readonly ExecutionStatus[]>> = {
  accepted: ['queued', 'running', 'cancelled', 'error'],
  // Back to accepted only at a start, for what waited in a dead server: its code has not begun.
  queued: ['accepted', 'running', 'cancelled', 'error'],
  running: ['succeeded', 'failed', 'timeout', 'oom', 'killed', 'error'],
  succeeded: [],
  failed: [],
  timeout: [],
  oom: [],
  killed: [],
  cancelled: [],
  error: [],
}

export function isExecutionStatus(text: string): text is ExecutionStatus {
  return (EXECUTION_STATUSES as readonly string[]).includes(text)
}

export function mayFollow(from: ExecutionStatus, to: ExecutionStatus): boolean {
  return EXECUTION_TRANSITIONS[from].includes(to)
}

export function isFinal(status: ExecutionStatus): boolean {
  return EXECUTION_TRANSITIONS[status].length === 0
}

export const FINAL_STATUSES: readonly ExecutionStatus[] = EXECUTION_STATUSES.filter(isFinal)
export const LIVE_STATUSES: readonly ExecutionStatus[] = EXECUTION_STATUSES.filter(
  (status) => !isFinal(status),
)
