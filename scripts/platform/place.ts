/**
 * `make up`, `make down`: one server in the background on this machine, and the way back to it.
 *
 * This file knows where that server's data, log and record are, and whether the recorded process is still the one that
 * was started. It starts and ends nothing.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What `up` writes down about the server it started. */
export type ServerRecord = { pid: number; startedTicks: string; url: string }

export type Place = { data: string; log: string; record: string; adminKey: string; home: string }

export const defaultData = '/var/lib/cloche'

export function placeFrom(environment: NodeJS.ProcessEnv): Place {
  const data = resolve(environment['DATA'] || defaultData)
  return {
    data,
    log: join(data, 'server.log'),
    record: join(data, 'run', 'up.json'),
    adminKey: join(data, 'admin.key'),
    home: resolve(import.meta.dirname, '../..'),
  }
}

/** The record of a server that still runs; a record whose process is gone, or is another by now, counts as none. */
export function runningServer(place: Place): ServerRecord | undefined {
  const record = readRecord(place)
  return record !== undefined && startTicks(record.pid) === record.startedTicks ? record : undefined
}

export function writeRecord(place: Place, record: ServerRecord): void {
  mkdirSync(join(place.data, 'run'), { recursive: true, mode: 0o700 })
  writeFileSync(`${place.record}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  renameSync(`${place.record}.new`, place.record)
}

export function forgetRecord(place: Place): void {
  rmSync(place.record, { force: true })
}

function readRecord(place: Place): ServerRecord | undefined {
  const text = readOr(place.record, '')
  if (text === '') return undefined
  const value: Partial<ServerRecord> = JSON.parse(text)
  const { pid, startedTicks, url } = value
  if (typeof pid !== 'number' || typeof startedTicks !== 'string' || typeof url !== 'string') return undefined
  return { pid, startedTicks, url }
}

/** When a process started, in ticks since boot: with the pid it names one process for good. Undefined when it is gone. */
export function startTicks(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`, '')
  // The name in parentheses may hold anything, so count from its end: state is the first word after it.
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return stat === '' || words[0] === 'Z' ? undefined : words[19]
}

export function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
