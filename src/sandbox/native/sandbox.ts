import type { Duplex } from 'node:stream'
import { encodeFrame, Frame } from '../../protocol/frames.ts'
import { type LauncherMessage, type LauncherVerb, numberField } from '../../protocol/launcher.ts'
import { decodeWaitStatus } from '../../protocol/wait-status.ts'
import type { Clock } from '../../std/clock.ts'
import type {
  EgressChannel,
  EndCause,
  EndReason,
  ExecSpec,
  FileEntry,
  FileResult,
  Limits,
  Process,
  Sandbox,
  SandboxSpec,
  StartPhases,
  TreePart,
  Usage,
} from '../driver.ts'
import { portUnreachable, sandboxEnded } from '../failures.ts'
import { ByteStream } from './byte-stream.ts'
import { NativeEgressChannel } from './egress.ts'
import { execRequest } from './exec-request.ts'
import { readFiles, writeFiles } from './files.ts'
import { type ConnectionWatcher, InitConnection } from './init-connection.ts'
import { LauncherRefusal } from './launcher-client.ts'
import { limitFields } from './launcher-requests.ts'
import type { OperationHost } from './operation-host.ts'
import { NativeProcess } from './process.ts'
import { ResetOperation } from './reset.ts'
import { readTree } from './tree.ts'

/** A living init answers; one that hung up has died, and the launcher says so within this time. */
const END_NEWS_MS = 1000

/** How a sandbox asks the launcher about itself. */
export type AskLauncher = (
  verb: LauncherVerb,
  fields: Record<string, string | number>,
) => Promise<LauncherMessage>

export class NativeSandbox implements Sandbox {
  readonly id: string
  readonly spec: SandboxSpec
  readonly startPhases: StartPhases
  readonly ended: Promise<EndReason>
  endReason: EndReason | undefined
  readonly #socketPath: string
  readonly #ask: AskLauncher
  readonly #host: OperationHost
  readonly #gone: () => void
  readonly #connections = new Set<InitConnection>()
  readonly #watcher: ConnectionWatcher = {
    protocolError: (detail) => this.#fail('protocol_error', detail),
    gone: (connection) => this.#connections.delete(connection),
  }
  #spare: InitConnection | undefined
  #destruction: Promise<Usage> | undefined
  /** The counters at its death, once the kernel's news of it came. */
  #lastUsage: Usage | undefined
  /** The kernel counts these from the beginning, whatever is asked of it. */
  #cpuUsBefore = 0
  #oomKillsBefore = 0
  #resolveEnded!: (reason: EndReason) => void

  /** `gone` is called once nothing of it is left. */
  constructor(
    id: string,
    spec: SandboxSpec,
    created: LauncherMessage,
    ask: AskLauncher,
    clock: Clock,
    gone: () => void,
  ) {
    this.id = id
    this.spec = spec
    this.startPhases = startPhasesOf(created)
    this.#socketPath = created.fields.get('socket') ?? ''
    this.#ask = ask
    this.#gone = gone
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#host = {
      clock,
      connect: () => this.#connect(),
      fail: (cause, detail) => this.#fail(cause, detail),
      connectionLost: (why) => this.#connectionLost(why),
    }
    this.#prepare()
  }

  exec(spec: ExecSpec, signal?: AbortSignal): Process {
    this.#requireAlive()
    return new NativeProcess(this.#host, execRequest(spec), signal)
  }

  writeFiles(entries: Iterable<FileEntry>, signal?: AbortSignal): Promise<void> {
    return this.#alive(async () => {
      const written = writeFiles(this.#host, entries, signal)
      this.#prepare()
      await written
    })
  }

  readFiles(paths: readonly string[], limitBytes: number, signal?: AbortSignal): Promise<FileResult[]> {
    return this.#alive(() => readFiles(this.#host, paths, limitBytes, signal))
  }

  readTree(path: string, take: (part: TreePart) => Promise<void>, signal?: AbortSignal): Promise<void> {
    return this.#alive(() => readTree(this.#host, path, take, signal))
  }

  dial(port: number, signal?: AbortSignal): Duplex {
    this.#requireAlive()
    signal?.throwIfAborted()
    const request = encodeFrame(Frame.dial, Buffer.from(`tcp:${port}`))
    const stream = new ByteStream(this.#host, request, (reason) => portUnreachable(`port ${port}`, reason))
    const onAbort = (): void => void stream.destroy(asError(signal?.reason))
    signal?.addEventListener('abort', onAbort, { once: true })
    stream.once('close', () => signal?.removeEventListener('abort', onAbort))
    return stream
  }

  egress(): EgressChannel {
    this.#requireAlive()
    const channel = new NativeEgressChannel(this.#host)
    this.#prepare()
    return channel
  }

  reset(signal?: AbortSignal): Promise<void> {
    return this.#alive(async () => {
      await new ResetOperation(this.#host, signal).done
      this.#prepare()
    })
  }

  limit(limits: Limits): Promise<void> {
    return this.#alive(async () => {
      await this.#asked('limit', limitFields(limits))
    })
  }

  async usage(reset = false): Promise<Usage> {
    if (this.endReason !== undefined) return this.destroy()
    const usage = this.#sinceReset(usageOf(await this.#asked('stat', reset ? { reset: 1 } : {})))
    if (reset) {
      this.#cpuUsBefore += usage.cpuUs
      this.#oomKillsBefore += usage.oomKills
    }
    return usage
  }

  freeze(): Promise<void> {
    return this.#alive(async () => {
      await this.#asked('freeze', {})
    })
  }

  thaw(): Promise<void> {
    return this.#alive(async () => {
      await this.#asked('thaw', {})
    })
  }

  destroy(): Promise<Usage> {
    this.#end('destroyed', 'it was destroyed')
    this.#destruction ??= this.#kill()
    return this.#destruction
  }

  /** The launcher's news that PID 1 ended by itself; nothing of the sandbox is left then. */
  exited(message: LauncherMessage): void {
    const usage = usageOf(message)
    const status = decodeWaitStatus(numberField(message, 'status'))
    const how = status.signal ?? `exit code ${status.code}`
    const oom = status.signal === 'SIGKILL' && usage.oomKills > this.#oomKillsBefore
    this.#lastUsage = this.#sinceReset(usage)
    this.#destruction ??= Promise.resolve(this.#lastUsage)
    this.#end(oom ? 'oom' : 'exited', oom ? 'it ran out of memory' : `its first process ended with ${how}`)
    this.#gone()
  }

  /** The driver stops: the launcher ends every sandbox at once, and nobody asks about a single one. */
  destroyedWithLauncher(): void {
    this.#lastUsage ??= NO_USAGE
    this.#destruction ??= Promise.resolve(this.#lastUsage)
    this.#end('destroyed', 'the driver was closed')
    this.#gone()
  }

  /** The launcher is no more, and with it every sandbox. */
  launcherLost(detail: string): void {
    this.#lastUsage ??= NO_USAGE
    this.#destruction ??= Promise.resolve(this.#lastUsage)
    this.#end('launcher_lost', detail)
    this.#gone()
  }

  #sinceReset(usage: Usage): Usage {
    return {
      ...usage,
      cpuUs: usage.cpuUs - this.#cpuUsBefore,
      oomKills: usage.oomKills - this.#oomKillsBefore,
    }
  }

  #connect(): InitConnection {
    const spare = this.#spare
    this.#spare = undefined
    return spare?.usable ? spare : this.#open()
  }

  /** Connects ahead of the next operation, which then need not wait for it. */
  #prepare(): void {
    if (this.endReason === undefined && this.#spare === undefined) this.#spare = this.#open()
  }

  #open(): InitConnection {
    const connection = new InitConnection(this.#socketPath, this.#watcher)
    this.#connections.add(connection)
    return connection
  }

  #fail(cause: EndCause, detail: string): void {
    if (!this.#end(cause, detail)) return
    this.#destruction ??= this.#kill()
    this.#destruction.catch(() => {})
  }

  /** True when this was the first cause. */
  #end(cause: EndCause, detail: string): boolean {
    if (this.endReason !== undefined) return false
    this.endReason = { cause, detail }
    this.#spare = undefined
    this.#resolveEnded(this.endReason)
    // Not left to init: one that lives on in spite of the order must not hold anybody up.
    for (const connection of [...this.#connections]) connection.giveUp(detail)
    return true
  }

  async #kill(): Promise<Usage> {
    try {
      return this.#sinceReset(usageOf(await this.#ask('kill', { id: this.id })))
    } catch (error) {
      // It ended by itself while the order was on its way; its counters came with that news.
      if (error instanceof LauncherRefusal && error.code === 'sandbox_unknown')
        return this.#lastUsage ?? NO_USAGE
      if (this.#lastUsage !== undefined) return this.#lastUsage
      throw error
    } finally {
      this.#gone()
    }
  }

  async #connectionLost(why: string): Promise<Error> {
    if (this.endReason === undefined) {
      const timeout = Promise.withResolvers<void>()
      const timer = this.#host.clock.after(END_NEWS_MS, timeout.resolve)
      await Promise.race([this.ended, timeout.promise])
      timer.cancel()
      this.#fail('protocol_error', `init hung up in the middle of an operation: ${why}`)
    }
    return sandboxEnded(await this.ended)
  }

  async #asked(verb: LauncherVerb, fields: Record<string, string | number>): Promise<LauncherMessage> {
    try {
      return await this.#ask(verb, { id: this.id, ...fields })
    } catch (error) {
      if (this.endReason !== undefined) throw sandboxEnded(this.endReason)
      if (error instanceof LauncherRefusal && error.code === 'sandbox_unknown')
        throw await this.#connectionLost(error.message)
      throw error
    }
  }

  #requireAlive(): void {
    if (this.endReason !== undefined) throw sandboxEnded(this.endReason)
  }

  async #alive<T>(work: () => Promise<T>): Promise<T> {
    this.#requireAlive()
    return work()
  }
}

const NO_USAGE: Usage = { cpuUs: 0, memoryBytes: 0, peakMemoryBytes: 0, oomKills: 0, pids: 0 }

function startPhasesOf(created: LauncherMessage): StartPhases {
  return {
    cloneUs: numberField(created, 'clone_us'),
    attachUs: numberField(created, 'attach_us'),
    mountUs: numberField(created, 'mount_us'),
    readyUs: numberField(created, 'ready_us'),
  }
}

function usageOf(message: LauncherMessage): Usage {
  return {
    cpuUs: numberField(message, 'cpu_us'),
    memoryBytes: numberField(message, 'mem'),
    peakMemoryBytes: numberField(message, 'peak'),
    oomKills: numberField(message, 'oom'),
    pids: numberField(message, 'pids'),
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
