import { fail } from '../model/errors.ts'
import type { ExecutionRecord } from '../model/execution.ts'
import { type ExecutionId, isExecutionId, type TenantId } from '../model/ids.ts'
import type { Clock } from '../std/clock.ts'
import type { DatabaseThread } from './database-thread.ts'
import type { Accepted, Executions, IdempotencyClaim, ListExecutions, Page } from './faces.ts'
import type { JournalFeed } from './journal-feed.ts'

/** Sorts after every execution id. */
const AFTER_ALL = 'exec_~'

/**
 * Execution records on their two ways to disk: durable ones straight through the database, the others through the
 * journal. Whoever reads or commits has everything appended before fed first, so that reads see all writes.
 */
export class ExecutionTable implements Executions {
  readonly #thread: DatabaseThread
  readonly #feed: JournalFeed
  readonly #clock: Clock

  constructor(thread: DatabaseThread, feed: JournalFeed, clock: Clock) {
    this.#thread = thread
    this.#feed = feed
    this.#clock = clock
  }

  accept(record: ExecutionRecord, claim?: IdempotencyClaim): Promise<Accepted> {
    return this.#thread.call('acceptExecution', {
      body: JSON.stringify(record),
      claim,
      nowMs: this.#clock.now(),
    })
  }

  append(record: ExecutionRecord): void {
    this.#feed.append(JSON.stringify(record))
  }

  commit(record: ExecutionRecord): Promise<void> {
    this.#feed.send()
    return this.#thread.call('commitExecution', JSON.stringify(record))
  }

  async get(tenantId: TenantId, id: ExecutionId): Promise<ExecutionRecord | undefined> {
    this.#feed.send()
    const body = await this.#thread.call('getExecution', { tenantId, id })
    return body === undefined ? undefined : parseRecord(body)
  }

  async list(tenantId: TenantId, query: ListExecutions): Promise<Page<ExecutionRecord>> {
    const { limit, cursor, status } = query
    if (cursor !== undefined && !isExecutionId(cursor)) {
      fail('invalid_request', { problems: [{ path: 'cursor', message: 'is not a cursor of a listing' }] })
    }
    this.#feed.send()
    // One more than asked for tells whether there is a next page.
    const wanted = { tenantId, before: cursor ?? AFTER_ALL, status, limit: limit + 1 }
    const bodies = await this.#thread.call('listExecutions', wanted)
    const items = bodies.slice(0, limit).map(parseRecord)
    return { items, cursor: bodies.length > limit ? (items.at(-1)?.id ?? null) : null }
  }

  delete(tenantId: TenantId, id: ExecutionId): Promise<boolean> {
    this.#feed.send()
    return this.#thread.call('deleteExecution', { tenantId, id })
  }
}

/** What is read back is what this module wrote from a record. */
export function parseRecord(body: string): ExecutionRecord {
  return JSON.parse(body)
}
