import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { ClocheError } from '../model/errors.ts'
import { type FromThread, fromFailure, type Reply, type Request, type ToThread } from './messages.ts'
import type { InputOf, OperationName, OutputOf } from './operations.ts'

/**
 * Heaps are sized for pages of records in flight, not for a database: SQLite's own memory is outside of them. A batch
 * that does not fit would end the thread, so whoever sends or asks for many records bounds them.
 */
const HEAP = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 8, stackSizeMb: 1 }

interface Waiting {
  resolve(output: unknown): void
  reject(error: Error): void
}

/** The server's end of the store's thread: calls by name, gathered for the length of a tick and posted together. */
export class DatabaseThread {
  readonly broken: Promise<Error>
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #outbox: Request[] = []
  #lastId = 0
  #ended: ClocheError | undefined
  #break: (error: Error) => void = () => {}

  private constructor(worker: Worker) {
    this.#worker = worker
    this.broken = new Promise((resolve) => {
      this.#break = resolve
    })
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'replies') for (const reply of message.replies) this.#settle(reply)
    })
    worker.on('error', (error: Error) => this.#end(error))
    worker.on('exit', () => this.#end(new Error('the store thread has ended')))
  }

  /** Resolves when the database is open and its schema current; rejects with why it cannot be used. */
  static async start(path: string): Promise<DatabaseThread> {
    const worker = new Worker(new URL('./database-worker.ts', import.meta.url), {
      name: 'store',
      workerData: path,
      resourceLimits: HEAP,
    })
    const first = await new Promise<FromThread>((resolve, reject) => {
      worker.once('message', resolve).once('error', reject)
    })
    worker.removeAllListeners('error')
    if (first.kind === 'refused') {
      await once(worker, 'exit')
      throw fromFailure(first.failure)
    }
    return new DatabaseThread(worker)
  }

  get waitingCalls(): number {
    return this.#waiting.size
  }

  call<Name extends OperationName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>> {
    if (this.#ended) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    if (this.#outbox.length === 0) queueMicrotask(() => this.#post())
    this.#outbox.push({ id, name, input })
    return new Promise<OutputOf<Name>>((resolve, reject) => {
      // The operation of that name made the output: its type is lost only on the way through the port.
      this.#waiting.set(id, { resolve: (output) => resolve(output as OutputOf<Name>), reject })
    })
  }

  /** Works off what was called before, closes the database and ends the thread. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#post()
    const exit = once(this.#worker, 'exit')
    this.#send({ kind: 'close' })
    this.#ended = new ClocheError('shutting_down', {})
    await exit
  }

  #post(): void {
    const requests = this.#outbox
    if (requests.length === 0) return
    this.#outbox = []
    this.#send({ kind: 'requests', requests })
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message)
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if ('failure' in reply) waiting?.reject(fromFailure(reply.failure))
    else waiting?.resolve(reply.output)
  }

  #end(cause: Error): void {
    if (this.#ended === undefined) {
      this.#ended = new ClocheError('internal', {}, { cause })
      this.#break(cause)
    }
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended)
    this.#waiting.clear()
  }
}
