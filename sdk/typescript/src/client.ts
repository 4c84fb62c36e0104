// The client: one object for one server and one key.
import { Environments } from './environments.ts'
import { Executions } from './executions.ts'
import type { Accepted, Execution, Health, Version } from './generated/types.ts'
import { send, sendForJson } from './http.ts'
import { Keys } from './keys.ts'
import { type ClocheOptions, environmentOfProcess, type Settings, settingsFrom } from './options.ts'
import { bodyOf, type ExecuteRequest, jsonOf } from './request.ts'
import { openSocket, whyNotOpened } from './socket.ts'
import { ExecutionStream } from './stream.ts'
import { Tenants } from './tenants.ts'

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** What the run* shortcuts take besides the code. */
export type RunOptions = Omit<ExecuteRequest, 'code' | 'language' | 'command'>

/** A run that may take longer than this is not waited for on one connection: proxies and runtimes cut such. */
const longestHeldMs = 240_000
const defaultRunMs = 30_000
const streamPath = '/api/v1/execute/stream'

export class Cloche {
  readonly #settings: Settings
  readonly executions: Executions
  readonly environments: Environments
  readonly keys: Keys
  readonly tenants: Tenants

  /** Options, or just the endpoint. */
  constructor(options: ClocheOptions | string = {}) {
    const given = typeof options === 'string' ? { endpoint: options } : options
    this.#settings = settingsFrom(given, environmentOfProcess())
    this.executions = new Executions(this.#settings)
    this.environments = new Environments(this.#settings)
    this.keys = new Keys(this.#settings)
    this.tenants = new Tenants(this.#settings)
  }

  get endpoint(): string {
    return this.#settings.endpoint
  }

  /**
   * Runs code and waits for its end. A program that fails is a result (`status`, `exitCode`), not an exception;
   * exceptions are requests that could not be carried out. Retries cannot run the code twice: each call carries an
   * idempotency key, its own or the request's. Aborting the signal also ends the execution.
   */
  async execute(request: ExecuteRequest, options: CallOptions = {}): Promise<Execution> {
    const { signal } = options
    const keyed = withKey(request)
    try {
      return await this.#waitFor(keyed, signal)
    } catch (error) {
      if (signal?.aborted) this.#end(keyed)
      throw error
    }
  }

  async #waitFor(request: ExecuteRequest, signal: AbortSignal | undefined): Promise<Execution> {
    const runMs = request.timeoutMs ?? defaultRunMs
    if (runMs > longestHeldMs) {
      const { executionId } = await this.start(request, signal === undefined ? {} : { signal })
      return this.executions.wait(executionId, { signal })
    }
    return sendForJson(this.#settings, {
      method: 'POST',
      path: '/api/v1/execute',
      body: bodyOf(request),
      repeatable: true,
      timeoutMs: runMs + this.#settings.timeoutMs,
      signal,
    })
  }

  /** The same request again gives the id of the execution it began, which the aborted answer would have told. */
  #end(request: ExecuteRequest): void {
    this.start(request)
      .then(({ executionId }) => this.executions.cancel(executionId))
      // Nobody waits for this; what cannot be ended now ends by its own time limit.
      .catch(() => {})
  }

  /** Has code run without waiting. Once this returns, the execution is on the server's disk and will not be lost. */
  start(request: ExecuteRequest, options: CallOptions = {}): Promise<Accepted> {
    return sendForJson(this.#settings, {
      method: 'POST',
      path: '/api/v1/execute',
      headers: { prefer: 'respond-async' },
      body: bodyOf(withKey(request)),
      repeatable: true,
      signal: options.signal,
    })
  }

  /**
   * Runs code and follows it live, or, given the id of an execution, follows that one. A program that was started here
   * can be sent input; one that reads to the end of its stdin waits for endInput(). Leaving a stream that started the
   * execution ends the execution.
   */
  stream(what: string | ExecuteRequest, options: CallOptions = {}): ExecutionStream {
    const attach = typeof what === 'string'
    return new ExecutionStream({
      open: () => openSocket(this.#settings, streamPath),
      whyNotOpened: () => whyNotOpened(this.#settings, streamPath),
      first: attach ? { type: 'attach', executionId: what } : { type: 'start', request: jsonOf(what) },
      ...(attach ? { executionId: what } : {}),
      connectTimeoutMs: this.#settings.timeoutMs,
      signal: options.signal,
    })
  }

  runPython(code: string, options: RunOptions = {}): Promise<Execution> {
    return this.execute({ ...options, code, language: 'python' })
  }

  runJavaScript(code: string, options: RunOptions = {}): Promise<Execution> {
    return this.execute({ ...options, code, language: 'javascript' })
  }

  runTypeScript(code: string, options: RunOptions = {}): Promise<Execution> {
    return this.execute({ ...options, code, language: 'typescript' })
  }

  runBash(code: string, options: RunOptions = {}): Promise<Execution> {
    return this.execute({ ...options, code, language: 'bash' })
  }

  /** Whether the server is alive; throws when it cannot be reached. */
  health(options: CallOptions = {}): Promise<Health> {
    return sendForJson(this.#settings, {
      method: 'GET',
      path: '/health',
      repeatable: true,
      signal: options.signal,
    })
  }

  version(options: CallOptions = {}): Promise<Version> {
    return sendForJson(this.#settings, {
      method: 'GET',
      path: '/api/v1/version',
      repeatable: true,
      signal: options.signal,
    })
  }

  /** Prometheus text. */
  async metrics(options: CallOptions = {}): Promise<string> {
    const call = { method: 'GET', path: '/metrics', repeatable: true, signal: options.signal } as const
    return (await send(this.#settings, call)).text
  }
}

function withKey(request: ExecuteRequest): ExecuteRequest {
  return request.idempotencyKey === undefined ? { ...request, idempotencyKey: crypto.randomUUID() } : request
}
