import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { ProtocolError } from '../../protocol/frames.ts'
import {
  encodeLauncherRequest,
  type LauncherFields,
  type LauncherMessage,
  LauncherReader,
  type LauncherVerb,
} from '../../protocol/launcher.ts'

/** The launcher refused a request: its code, what failed and what would mend it. */
export class LauncherRefusal extends Error {
  override readonly name = 'LauncherRefusal'
  readonly code: string
  readonly hint: string

  constructor(verb: string, message: LauncherMessage) {
    super(`${verb}: ${message.fields.get('what') ?? 'no reason was given'}`)
    this.code = message.fields.get('code') ?? 'unknown'
    this.hint = message.fields.get('hint') ?? ''
  }
}

/** The launcher is no longer there; what it had made died with it. */
export class LauncherGone extends Error {
  override readonly name = 'LauncherGone'
}

/** How the launcher is started, as values: a test asserts them exactly. */
export interface LauncherCommand {
  readonly file: string
  readonly args: readonly string[]
}

export interface LauncherEvents {
  event(message: LauncherMessage): void
  /** A line the launcher wrote for operators. */
  line(text: string): void
}

interface Pending {
  readonly verb: LauncherVerb
  readonly resolve: (message: LauncherMessage) => void
  readonly reject: (reason: unknown) => void
}

const STOP_DEADLINE_MS = 30_000
const LAST_LINES = 5
const LAST_WORDS_MS = 100

/** One launcher process and the requests it has not answered yet. */
export class LauncherClient {
  /** Resolves when the process has ended, with why. */
  readonly ended: Promise<LauncherGone>
  readonly #child: ChildProcess
  readonly #channel: Socket
  readonly #events: LauncherEvents
  readonly #pending = new Map<number, Pending>()
  readonly #lastLines: string[] = []
  #lastTag = 0
  #gone: LauncherGone | undefined

  constructor(command: LauncherCommand, events: LauncherEvents) {
    this.#events = events
    // A session of its own: a terminal's Ctrl-C is for the server, which then ends the launcher in order.
    this.#child = spawn(command.file, [...command.args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    })
    // Node makes a socket pair of a 'pipe' beyond the first three and types it as any stream.
    this.#channel = this.#child.stdio[3] as Socket
    const reader = new LauncherReader((message) => this.#receive(message))
    this.#channel.on('data', (chunk: Buffer) => this.#read(reader, chunk))
    this.#channel.on('error', () => {})
    this.#readLines()
    this.ended = this.#end()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get requestsInFlight(): number {
    return this.#pending.size
  }

  request(verb: LauncherVerb, fields: LauncherFields = {}): Promise<LauncherMessage> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    const tag = ++this.#lastTag
    return new Promise((resolve, reject) => {
      const bytes = encodeLauncherRequest(verb, tag, fields)
      this.#pending.set(tag, { verb, resolve, reject })
      this.#channel.write(bytes)
    })
  }

  /** The end of the channel is the order to end every sandbox, clean up and leave. */
  async close(): Promise<void> {
    this.#channel.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS)
    await this.ended
    clearTimeout(timer)
    this.#channel.destroy()
  }

  #read(reader: LauncherReader, chunk: Buffer): void {
    try {
      reader.push(chunk)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#events.line(`its messages cannot be read: ${error.message}`)
      this.#child.kill('SIGKILL')
    }
  }

  #receive(message: LauncherMessage): void {
    if (message.tag === 0) {
      this.#events.event(message)
      return
    }
    const pending = this.#pending.get(message.tag)
    if (pending === undefined)
      throw new ProtocolError(`an answer to request ${message.tag}, which was not made`)
    this.#pending.delete(message.tag)
    if (message.verb === 'ok') pending.resolve(message)
    else pending.reject(new LauncherRefusal(pending.verb, message))
  }

  async #end(): Promise<LauncherGone> {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#child.once('error', (error) => resolve(`it could not be started: ${error.message}`))
    this.#child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `exit code ${code}`}`))
    const how = await promise
    // Why it ended is in what it wrote last, which may still be in the pipe; a zygote may hold the pipe open.
    const stderr = this.#child.stderr
    if (stderr !== null && !stderr.readableEnded) {
      const settled = Promise.withResolvers<void>()
      stderr.once('close', settled.resolve)
      setTimeout(settled.resolve, LAST_WORDS_MS)
      await settled.promise
    }
    stderr?.destroy()
    return this.#lose(`${how}${this.#lastWords()}`)
  }

  #lose(why: string): LauncherGone {
    const gone = new LauncherGone(`the launcher is gone: ${why}`)
    this.#gone = gone
    for (const pending of this.#pending.values()) pending.reject(gone)
    this.#pending.clear()
    this.#channel.destroy()
    return gone
  }

  #readLines(): void {
    let partial = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (partial + text).split('\n')
      partial = (lines.pop() ?? '').slice(-4096)
      for (const line of lines) {
        this.#lastLines.push(line)
        if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
        this.#events.line(line)
      }
    })
  }

  #lastWords(): string {
    return this.#lastLines.length === 0 ? '' : ` (${this.#lastLines.join('; ')})`
  }
}
