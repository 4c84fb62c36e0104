import { constants } from 'node:os'

/** Exactly one of the two is not null. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: string | null
}

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, value]) => [value, name]))
// Node lists aliases too; these are the names people know.
SIGNAL_NAMES.set(6, 'SIGABRT').set(29, 'SIGIO').set(31, 'SIGSYS')

/** A status as waitpid gives it: the low seven bits are the signal, the next byte the exit code. */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null }
  return { code: null, signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` }
}

export function signalNumber(name: NodeJS.Signals): number {
  return constants.signals[name]
}
