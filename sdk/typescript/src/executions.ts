// Executions after they began: looking, waiting, ending, and reading what they wrote.
import type { Accepted, Execution, ExecutionList, ExecutionSummary } from './generated/types.ts'
import { pause, send, sendForJson, sendForStream } from './http.ts'
import type { Settings } from './options.ts'

export interface ListOptions {
  readonly limit?: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string
  readonly status?: ExecutionSummary['status']
}

export interface LogOptions {
  readonly stream?: 'stdout' | 'stderr'
  /** Only the last lines. */
  readonly tail?: number
  readonly signal?: AbortSignal
}

const live: ReadonlySet<string> = new Set(['accepted', 'queued', 'running'])
const firstLookMs = 50
const longestLookMs = 2000

export class Executions {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** One page, newest first. */
  list(options: ListOptions = {}): Promise<ExecutionList> {
    const { limit, cursor, status } = options
    const query = { limit, cursor, status }
    return sendForJson(this.#settings, { method: 'GET', path: '/api/v1/executions', query, repeatable: true })
  }

  /** As it is now; its whole output is in it. */
  get(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Execution> {
    const { signal } = options
    return sendForJson(this.#settings, { method: 'GET', path: pathOf(id), repeatable: true, signal })
  }

  /** Its end, however it ends. */
  async wait(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Execution> {
    for (let waitMs = firstLookMs; ; waitMs = Math.min(longestLookMs, waitMs * 1.5)) {
      const execution = await this.get(id, options)
      if (!live.has(execution.status)) return execution
      await pause(waitMs, options.signal)
    }
  }

  /** Ends it, and returns when it has ended. Fails with `execution_not_running` when it had ended before. */
  cancel(id: string): Promise<Accepted> {
    const path = `${pathOf(id)}/cancel`
    return sendForJson(this.#settings, { method: 'POST', path, repeatable: false })
  }

  /** Forgets one that has ended, with its output. */
  async delete(id: string): Promise<void> {
    await send(this.#settings, { method: 'DELETE', path: pathOf(id), repeatable: true })
  }

  /** What it has written so far, as text. */
  async logs(id: string, options: LogOptions = {}): Promise<string> {
    return (await send(this.#settings, { ...logsCall(id, options), repeatable: true })).text
  }

  /** The same as bytes, in pieces; with `follow` it goes on until the execution ends. */
  readLogs(
    id: string,
    options: LogOptions & { readonly follow?: boolean } = {},
  ): AsyncGenerator<Uint8Array, void, void> {
    const call = logsCall(id, options)
    const query = { ...call.query, follow: options.follow }
    return sendForStream(this.#settings, { ...call, query, repeatable: true })
  }
}

function logsCall(id: string, { stream, tail, signal }: LogOptions) {
  return { method: 'GET', path: `${pathOf(id)}/logs`, query: { stream, tail }, signal } as const
}

function pathOf(id: string): string {
  return `/api/v1/executions/${encodeURIComponent(id)}`
}
