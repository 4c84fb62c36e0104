/*
 * Runs one program in each way a sandbox can: by a fork of the warm interpreter, by a fork in a sandbox that is kept, and
 * by the plain `python3 FILE` or `node FILE`. What a program prints and how it ends must not depend on the way.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RuntimeJob } from '../../src/protocol/job.ts'
import type { ExecSpec, Limits, Sandbox, TerminalSize } from '../../src/sandbox/driver.ts'
import { NativeDriver } from '../../src/sandbox/native/driver.ts'
import { baseRoot } from '../../test/support/base-root.ts'
import { within } from '../../test/support/eventually.ts'
import { guestPath, launcherPath, requireRealPlatform } from '../../test/support/requirements.ts'

const MIB = 1 << 20
const LIMITS: Limits = {
  memoryBytes: 512 * MIB,
  cpuMillis: 2000,
  pids: 128,
  diskBytes: 128 * MIB,
  inodes: 8192,
}
/** Long enough for a busy machine; what takes longer hangs. */
const PROGRAM_LIMIT_MS = 60_000
const ENVIRONMENT = {
  PATH: '/usr/local/bin:/usr/bin:/bin',
  HOME: '/workspace',
  LANG: 'C.UTF-8',
  USER: 'user',
}

export interface Program {
  readonly language: RuntimeJob['language']
  readonly code: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
  readonly pty?: TerminalSize
  readonly files?: Readonly<Record<string, string>>
  /** How far to believe the program: it is interrupted once it has printed this. */
  readonly interruptAfter?: string
}

export interface Outcome {
  readonly stdout: Buffer
  readonly stderr: string
  readonly code: number | null
  readonly signal: string | null
}

export type Way = 'fork' | 'kept' | 'cold'

const FILE_OF = { python: 'main.py', javascript: 'main.js', typescript: 'main.ts' } as const
const COMMAND_OF = {
  python: ['python3'],
  javascript: ['node'],
  typescript: ['node', '--experimental-transform-types', '--disable-warning=ExperimentalWarning'],
} as const

/** A driver of its own, with every sandbox made through it; `close` leaves nothing. */
export class Runtimes {
  readonly driver: NativeDriver
  readonly #folder: string
  readonly #kept = new Map<string, Promise<Sandbox>>()

  private constructor(driver: NativeDriver, folder: string) {
    this.driver = driver
    this.#folder = folder
  }

  static async open(layersDir?: string): Promise<Runtimes> {
    requireRealPlatform()
    const folder = await mkdtemp(join(tmpdir(), 'cloche-guest-'))
    const runDir = join(folder, 'run')
    await mkdir(runDir)
    await chmod(runDir, 0o700)
    await mkdir(join(folder, 'layers'))
    const driver = new NativeDriver({
      launcher: launcherPath,
      runDir,
      baseRoot: await baseRoot(),
      guestDir: guestPath,
      layersDir: layersDir ?? join(folder, 'layers'),
      owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      cgroup: `cloche-guest-${process.pid}`,
    })
    return new Runtimes(driver, folder)
  }

  async run(program: Program, way: Way, layers: readonly string[] = []): Promise<Outcome> {
    if (way === 'kept') return this.#runKept(program)
    const runtime = way === 'cold' ? 'bare' : runtimeOf(program)
    const sandbox = await this.driver.create({ runtime, layers, limits: LIMITS, network: 'none' })
    try {
      return await runIn(sandbox, program, way)
    } finally {
      await sandbox.destroy()
    }
  }

  /** The same sandbox for every program of a runtime, reset between them, as in mode `cached`. */
  async #runKept(program: Program): Promise<Outcome> {
    const runtime = runtimeOf(program)
    const made =
      this.#kept.get(runtime) ?? this.driver.create({ runtime, layers: [], limits: LIMITS, network: 'none' })
    this.#kept.set(runtime, made)
    const sandbox = await made
    const outcome = await runIn(sandbox, program, 'kept')
    await sandbox.reset()
    return outcome
  }

  async close(): Promise<void> {
    await this.driver.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export function runtimeOf(program: Program): 'python' | 'node' {
  return program.language === 'python' ? 'python' : 'node'
}

async function runIn(sandbox: Sandbox, program: Program, way: Way): Promise<Outcome> {
  const files = Object.entries(program.files ?? {})
  if (way === 'cold') files.push([FILE_OF[program.language], program.code])
  if (files.length > 0) {
    const entries = files.map(([path, text]) => ({ path, mode: 0o644, content: Buffer.from(text) }))
    await sandbox.writeFiles(entries)
  }
  const process = sandbox.exec(specOf(program, way))
  const out: Buffer[] = []
  const err: Buffer[] = []
  let waitsFor = program.interruptAfter
  process.onOutput((stream, chunk) => {
    ;(stream === 'stdout' ? out : err).push(chunk)
    if (waitsFor !== undefined && Buffer.concat(out).includes(waitsFor)) {
      waitsFor = undefined
      process.signal('SIGINT')
    }
  })
  if (program.stdin !== undefined) await process.writeStdin(Buffer.from(program.stdin))
  if (program.stdin !== undefined && program.pty === undefined) process.endStdin()
  const ended = await within(process.exited, PROGRAM_LIMIT_MS, `a program ends that ran by ${way}`)
  return { stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString(), ...ended }
}

function specOf(program: Program, way: Way): ExecSpec {
  const { language, code, args = [], env = {}, cwd = '/workspace', stdin, pty } = program
  const streams = { stdin: stdin !== undefined, ...(pty === undefined ? {} : { pty }) }
  if (way === 'cold') {
    const argv = [...COMMAND_OF[language], `/workspace/${FILE_OF[language]}`, ...args]
    const terminal = pty === undefined ? {} : { TERM: 'xterm-256color' }
    return { kind: 'argv', argv, env: { ...ENVIRONMENT, ...terminal, ...env }, cwd, ...streams }
  }
  const seed = randomBytes(32).toString('hex')
  const job: RuntimeJob = { language, code, file: null, args, env, cwd, seed }
  return { kind: 'job', job, keep: way === 'kept', ...streams }
}

/**
 * Without what differs between two runs of anything: where things lie in memory, Node's pid in its warnings, and
 * where the runtime itself stands on the stack, which is around listeners to events of the process.
 */
function told(outcome: Outcome): object {
  const same = (text: string): string =>
    text
      .replace(/0x[0-9a-f]{6,}/g, '0x…')
      .replace(/\(node:\d+\)/g, '(node:…)')
      .replace(/\n.*\/opt\/cloche\/node\/.*/g, '')
  const { stdout, stderr } = outcome
  return { ...outcome, stdout: stdout.length > MIB ? stdout : same(stdout.toString()), stderr: same(stderr) }
}

/** Runs the program in every way, checks that all ways tell the same, and returns it as told. */
export async function sameInEveryWay(runtimes: Runtimes, program: Program): Promise<Outcome> {
  const plain = await runtimes.run(program, 'cold')
  for (const way of ['fork', 'kept', 'kept'] as const) {
    assert.deepEqual(told(await runtimes.run(program, way)), told(plain), `by ${way}, as by its command`)
  }
  return plain
}
