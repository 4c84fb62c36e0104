/**
 * Starts init as process 1 on the stage of `stage.c`, which needs root. INIT_UNDER_TEST=asan plays the sanitized build instead.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { type ExecSpec, execFields, Type, Wire } from './wire.ts'

const build = resolve(import.meta.dirname, '../../../build')

export const sanitized = process.env.INIT_UNDER_TEST === 'asan'
export const mayRun: string | false = process.getuid?.() === 0 ? false : 'needs root to make namespaces'

export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  /** As waitpid gives it. */
  readonly status: number | undefined
  readonly error: { readonly errno: number; readonly text: string } | undefined
}

export class Stage {
  readonly path: string
  readonly pid: number
  readonly #wires: Wire[] = []
  readonly #process: ChildProcess
  readonly #ended: Promise<number>

  constructor(path: string, pid: number, child: ChildProcess, ended: Promise<number>) {
    this.path = path
    this.pid = pid
    this.#process = child
    this.#ended = ended
  }

  connect(): Wire {
    const wire = new Wire(this.path)
    this.#wires.push(wire)
    return wire
  }

  exec(spec: ExecSpec): Wire {
    const wire = this.connect()
    wire.send(Type.exec, execFields(spec))
    return wire
  }

  shell(script: string, spec: ExecSpec = {}): Wire {
    return this.exec({ args: ['/bin/sh', '-c', script], ...spec })
  }

  async run(script: string, spec: ExecSpec = {}): Promise<Outcome> {
    return await outcome(this.shell(script, spec))
  }

  async status(name: string): Promise<number> {
    const text = await readFile(`/proc/${this.pid}/status`, 'utf8')
    return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1])
  }

  /** Ends init and says how it ended; 9 is as expected, anything earlier was a crash. */
  async end(): Promise<number> {
    for (const wire of this.#wires) wire.close()
    this.#process.stdin?.end()
    return await this.#ended
  }
}

export async function outcome(wire: Wire, timeoutMs?: number): Promise<Outcome> {
  const done = (each: Wire) => each.find(Type.exit) !== undefined || each.find(Type.error) !== undefined
  await wire.until(done, 'an end', timeoutMs)
  wire.close()
  const error = wire.find(Type.error)?.payload
  return {
    stdout: wire.text(Type.stdout),
    stderr: wire.text(Type.stderr),
    status: wire.find(Type.exit)?.payload.readUInt32LE(0),
    error: error && { errno: error.readUInt32LE(0), text: error.toString('utf8', 4) },
  }
}

export interface Options {
  readonly worker?: boolean
  readonly egress?: boolean
}

/** init lives as long as the test, and must be alive at its end: a crash fails whatever test it happens in. */
export async function stage(test: TestContext, options: Options = {}): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'init-test-'))
  const root = join(folder, 'root')
  await mkdir(root)
  const path = join(folder, 'socket')
  const init = join(build, sanitized ? 'asan/init' : 'guest/init')
  const extra = [
    ...(options.worker ? [`worker=${join(build, 'test/init-fake-worker')}`] : []),
    ...(options.egress ? ['egress'] : []),
  ]
  const child = spawn(join(build, 'test/init-stage'), [init, path, root, ...extra], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const said = new Map<string, (value: number) => void>()
  const ready = new Promise<number>((resolve) => said.set('ready', resolve))
  const ended = new Promise<number>((resolve) => said.set('exit', resolve))
  lines.on('line', (line) => {
    const [word = '', value] = line.split(' ')
    said.get(word)?.(Number(value))
  })
  const pid = await Promise.race([
    ready,
    ended.then((status) => Promise.reject(new Error(`init ended: ${status}`))),
  ])
  const started = new Stage(path, pid, child, ended)
  test.after(async () => {
    const status = await started.end()
    await rm(folder, { recursive: true, force: true })
    assert.equal(status, 9, 'init was alive until the test ended it')
  })
  return started
}
