import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import {
  encodeLauncherRequest,
  type LauncherFields,
  type LauncherMessage,
  LauncherReader,
  type LauncherVerb,
} from '../../../src/protocol/launcher.ts'

export const root = resolve(import.meta.dirname, '../../..')

/** The base tree the machine has; `make up` and `make test` build it. */
function baseTree(): string {
  const folder = process.env['CLOCHE_BASE_DIR'] ?? '/var/lib/cloche/base'
  const current = join(folder, 'current')
  if (!existsSync(current)) throw new Error(`no base tree in ${folder}: run make test, which builds it`)
  return join(folder, readFileSync(current, 'utf8').trim(), 'root')
}

/** A real launcher with the server's end of its socket in the test's hands. */
export class LauncherPeer {
  readonly folder = mkdtempSync(join(tmpdir(), 'cloche-launcher-'))
  readonly cgroup: string
  readonly process: ChildProcess
  readonly socket: Duplex
  readonly events: LauncherMessage[] = []
  readonly ended: Promise<number | null>
  stderr = ''
  #tag = 0
  readonly #waiting = new Map<number, (message: LauncherMessage) => void>()

  constructor(program: string, cgroup = `cloche-test-${process.pid}-${Math.trunc(performance.now())}`) {
    this.cgroup = cgroup
    for (const name of ['run', 'layers']) mkdirSync(join(this.folder, name), { mode: 0o700 })
    const folder = (name: string): string => join(this.folder, name)
    const options = ['--run', folder('run'), '--layers', folder('layers'), '--cgroup', this.cgroup]
    const trees = ['--base', baseTree(), '--guest', join(root, 'build/guest')]
    this.process = spawn(program, [...options, ...trees], { stdio: ['ignore', 'inherit', 'pipe', 'pipe'] })
    this.process.stderr?.on('data', (chunk) => {
      this.stderr += chunk
    })
    // Node types an extra stdio entry as either direction; a 'pipe' one is a socket pair, so both.
    this.socket = this.process.stdio[3] as Duplex
    this.socket.on('error', () => {})
    const reader = new LauncherReader((message) => this.#take(message))
    this.socket.on('data', (chunk: Buffer) => reader.push(chunk))
    this.ended = new Promise((done) => this.process.on('exit', (code) => done(code)))
  }

  #take(message: LauncherMessage): void {
    const waiting = this.#waiting.get(message.tag)
    if (waiting === undefined) this.events.push(message)
    this.#waiting.delete(message.tag)
    waiting?.(message)
  }

  ask(verb: LauncherVerb, fields: LauncherFields = {}): Promise<LauncherMessage> {
    const tag = ++this.#tag
    return new Promise((answer) => {
      this.#waiting.set(tag, answer)
      this.socket.write(encodeLauncherRequest(verb, tag, fields))
    })
  }

  async close(): Promise<void> {
    this.socket.destroy()
    await this.ended
    rmSync(this.folder, { recursive: true })
  }
}
