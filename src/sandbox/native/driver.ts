/*
 * The native driver: sandboxes made of kernel namespaces by the launcher, spoken to through their init.
 *
 * Guarantees: at most one launcher at a time; when it dies every sandbox ends with `launcher_lost` and the next `create`
 * starts another. A `create` that was given up leaves nothing behind. `close` returns when the launcher has cleaned up.
 *
 * Does not: keep sandboxes ready (pool), or work without root: a machine that lacks something is told what.
 */
import type { LauncherMessage } from '../../protocol/launcher.ts'
import { abortable } from '../../std/abort.ts'
import { type Clock, systemClock } from '../../std/clock.ts'
import { randomName } from '../../std/ids.ts'
import type { Availability, Driver, RuntimeName, Sandbox, SandboxSpec } from '../driver.ts'
import { sandboxStartFailed, sandboxUnavailable } from '../failures.ts'
import { missingPrerequisite } from './availability.ts'
import { LauncherClient, LauncherGone, LauncherRefusal } from './launcher-client.ts'
import { createFields, launcherCommand, type NativeSettings } from './launcher-requests.ts'
import { NativeSandbox } from './sandbox.ts'

export type { NativeSettings } from './launcher-requests.ts'

export interface NativeDriverOptions extends NativeSettings {
  readonly clock?: Clock
  /** What the launcher writes for operators, line by line. */
  readonly onLine?: (line: string) => void
}

const ID_CHARS = 16
/** The least time from a launcher's death to the next start: one that cannot live must not be started in a loop. */
const RESTART_PAUSE_MS = 1000

/** A launcher that answers, and what it found. */
interface Running {
  readonly client: LauncherClient
  readonly facts: Readonly<Record<string, string>>
  readonly zygotes: Map<RuntimeName, Promise<unknown>>
}

export class NativeDriver implements Driver {
  readonly name = 'native'
  readonly #options: NativeDriverOptions
  readonly #clock: Clock
  readonly #sandboxes = new Map<string, NativeSandbox>()
  #creating = 0
  #running: Promise<Running> | undefined
  #client: LauncherClient | undefined
  #diedAtMs: number | undefined
  #closing: Promise<void> | undefined

  constructor(options: NativeDriverOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  count(): number {
    return this.#sandboxes.size + this.#creating
  }

  /** For operators: which process it is, while there is one. */
  get launcherPid(): number | undefined {
    return this.#client?.pid
  }

  async availability(): Promise<Availability> {
    const missing = await missingPrerequisite(this.#options)
    if (missing !== undefined) return { available: false, ...missing }
    try {
      const { facts } = await this.#launcher()
      return { available: true, facts }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const remedy =
        error instanceof LauncherRefusal ? error.hint : "look at the launcher's lines in the server's log"
      return { available: false, reason, remedy }
    }
  }

  /** Starts the launcher and these zygotes ahead of the first sandbox. */
  async start(runtimes: readonly RuntimeName[]): Promise<void> {
    const running = await this.#launcher()
    await Promise.all(runtimes.map((runtime) => this.#zygote(running, runtime)))
  }

  async create(spec: SandboxSpec, signal?: AbortSignal): Promise<Sandbox> {
    signal?.throwIfAborted()
    this.#creating++
    const made = this.#make(spec).finally(() => this.#creating--)
    try {
      return await abortable(made, signal)
    } catch (error) {
      made.then((sandbox) => sandbox.destroy()).catch(() => {})
      if (signal?.aborted) throw signal.reason
      throw this.#asStartFailure(error)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop()
    return this.#closing
  }

  async #make(spec: SandboxSpec): Promise<NativeSandbox> {
    const running = await this.#launcher()
    await this.#zygote(running, spec.runtime)
    const id = randomName(ID_CHARS)
    const created = await running.client.request('create', createFields(id, spec))
    const ask = running.client.request.bind(running.client)
    const sandbox = new NativeSandbox(id, spec, created, ask, this.#clock, () => this.#sandboxes.delete(id))
    this.#sandboxes.set(id, sandbox)
    return sandbox
  }

  /** The one launcher, started if there is none. A failed start is not kept: the next call tries again. */
  #launcher(): Promise<Running> {
    if (this.#closing !== undefined)
      return Promise.reject(sandboxUnavailable(this.name, 'the server is stopping'))
    this.#running ??= this.#startLauncher()
    return this.#running
  }

  async #startLauncher(): Promise<Running> {
    const sinceDeathMs = this.#clock.monotonic() - (this.#diedAtMs ?? Number.NEGATIVE_INFINITY)
    if (sinceDeathMs < RESTART_PAUSE_MS) await this.#clock.sleep(RESTART_PAUSE_MS - sinceDeathMs)
    const client = new LauncherClient(launcherCommand(this.#options), {
      event: (message) => this.#event(message),
      line: (text) => this.#options.onLine?.(text),
    })
    this.#client = client
    client.ended.then((gone) => this.#launcherLost(gone))
    const hello = await client.request('hello')
    return {
      client,
      facts: Object.fromEntries(hello.fields),
      zygotes: new Map(),
    }
  }

  #launcherLost(gone: LauncherGone): void {
    this.#running = undefined
    this.#client = undefined
    this.#diedAtMs = this.#clock.monotonic()
    for (const sandbox of [...this.#sandboxes.values()]) sandbox.launcherLost(gone.message)
  }

  #zygote(running: Running, runtime: RuntimeName): Promise<unknown> {
    const known = running.zygotes.get(runtime)
    if (known !== undefined) return known
    const starting = running.client.request('zygote', { name: runtime })
    running.zygotes.set(runtime, starting)
    // A failure is told to whoever waits for it, and forgotten: the next one tries again.
    starting.catch(() => running.zygotes.delete(runtime))
    return starting
  }

  #event(message: LauncherMessage): void {
    if (message.verb === 'exit') this.#sandboxes.get(message.fields.get('id') ?? '')?.exited(message)
    else if (message.verb === 'zygote-exit') this.#zygoteLost(message.fields.get('name') ?? '')
  }

  #zygoteLost(name: string): void {
    this.#options.onLine?.(`the ${name} zygote ended; the next sandbox of its kind starts another`)
    // Only these three are ever started.
    this.#running?.then(
      (running) => running.zygotes.delete(name as RuntimeName),
      () => {},
    )
  }

  async #stop(): Promise<void> {
    const running = await this.#running?.catch(() => undefined)
    for (const sandbox of [...this.#sandboxes.values()]) sandbox.destroyedWithLauncher()
    await running?.client.close()
  }

  #asStartFailure(error: unknown): unknown {
    if (error instanceof LauncherRefusal) return sandboxStartFailed(`${error.message} (${error.code})`, error)
    if (error instanceof LauncherGone) return sandboxUnavailable(this.name, error.message, error)
    return error
  }
}
