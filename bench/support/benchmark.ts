/**
 * The frame of every benchmark: contestants run interleaved in one process, so that a disturbance of the machine meets
 * all of them; each row is printed with the peer or floor of the same run, its ratio and whether the promise held; the
 * whole goes to a result file. A missed promise is printed as missed and never hidden.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Summary, shown, summarize } from './statistics.ts'

export interface Contestant {
  readonly name: string
  /** One run; gives milliseconds. */
  once(): Promise<number>
  /** Takes part in every n-th round only, for peers that are very slow. */
  readonly everyRounds?: number
}

export interface Promised {
  readonly text: string
  readonly held: boolean
}

export interface Row {
  readonly what: string
  readonly unit: string
  readonly values: Readonly<Record<string, number>>
  readonly promised?: readonly Promised[]
}

export interface Benchmark {
  /** Runs the contestants in turn; the first rounds warm up and do not count. */
  race(contestants: readonly Contestant[], rounds: number, warmUp?: number): Promise<Map<string, Summary>>
  row(row: Row): void
  note(text: string): void
}

interface Result {
  readonly benchmark: string
  readonly at: string
  readonly machine: Record<string, string | number>
  readonly rows: Row[]
  readonly notes: string[]
}

const resultsDir = join(dirname(dirname(fileURLToPath(import.meta.url))), 'results')

function machine(): Record<string, string | number> {
  const [load = ''] = readFileSync('/proc/loadavg', 'utf8').split(' ')
  return {
    cpus: cpus().length,
    model: cpus()[0]?.model ?? 'unknown',
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    loadBefore: Number(load),
  }
}

async function race(
  contestants: readonly Contestant[],
  rounds: number,
  warmUp = 5,
): Promise<Map<string, Summary>> {
  const samples = new Map<string, number[]>(contestants.map((contestant) => [contestant.name, []]))
  for (let round = -warmUp; round < rounds; round++) {
    // a different one begins each round, so that none always runs in another's wake
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round + warmUp) % contestants.length]
      if (contestant === undefined) continue
      const every = contestant.everyRounds ?? 1
      if (round % every !== 0 || (every > 1 && round < 0)) continue
      const ms = await contestant.once()
      if (round >= 0) samples.get(contestant.name)?.push(ms)
    }
  }
  return new Map([...samples].map(([name, list]) => [name, summarize(list)]))
}

function print(row: Row): void {
  const values = Object.entries(row.values).map(([name, value]) => `${name} ${shown(value)}`)
  console.log(`  ${row.what} [${row.unit}]: ${values.join(' · ')}`)
  for (const promised of row.promised ?? [])
    console.log(`    ${promised.held ? 'held  ' : 'MISSED'} ${promised.text}`)
}

/** Runs one benchmark, prints its rows as they come and keeps them in `results/<name>.json`. */
export async function benchmark(
  name: string,
  title: string,
  body: (bench: Benchmark) => Promise<void>,
): Promise<void> {
  const result: Result = {
    benchmark: name,
    at: new Date().toISOString(),
    machine: machine(),
    rows: [],
    notes: [],
  }
  console.log(`${name}: ${title}`)
  await body({
    race,
    row(row) {
      result.rows.push(row)
      print(row)
    },
    note(text) {
      result.notes.push(text)
      console.log(`  ${text}`)
    },
  })
  mkdirSync(resultsDir, { recursive: true })
  writeFileSync(join(resultsDir, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
}

/** The values of a row that shows one contestant beside its peer. */
export function beside(ours: Summary, peerName: string, peer: Summary): Record<string, number> {
  return {
    p50: ours.p50,
    p99: ours.p99,
    [`${peerName} p50`]: peer.p50,
    [`${peerName} p99`]: peer.p99,
    'p50 ratio': ours.p50 / peer.p50,
    runs: ours.count,
    [`${peerName} runs`]: peer.count,
  }
}

export function atMost(what: string, value: number, limit: number): Promised {
  return { text: `${what} ≤ ${limit} (is ${shown(value)})`, held: value <= limit }
}

export function atLeast(what: string, value: number, limit: number): Promised {
  return { text: `${what} ≥ ${limit} (is ${shown(value)})`, held: value >= limit }
}

/** The summary of a contestant that took part. */
export function of(summaries: ReadonlyMap<string, Summary>, name: string): Summary {
  const found = summaries.get(name)
  if (found === undefined) throw new Error(`${name} did not take part`)
  return found
}
