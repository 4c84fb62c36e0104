import type { Environment } from '../model/environment.ts'
import type { ExecutionRecord } from '../model/execution.ts'
import type { BlobHash, LayerHash, ServerId } from '../model/ids.ts'
import type { Clock } from '../std/clock.ts'
import type { DatabaseThread } from './database-thread.ts'
import { parseRecord } from './executions.ts'
import type { Platform, RetentionLimits, Swept } from './faces.ts'
import type { JournalFeed } from './journal-feed.ts'
import type { SweptStep } from './tables/platform.ts'

const PAGE = 256
/** Other calls get their turn on the thread between two batches. */
const SWEEP_BATCH = 200

export class PlatformTable implements Platform {
  readonly #thread: DatabaseThread
  readonly #feed: JournalFeed
  readonly #clock: Clock

  constructor(thread: DatabaseThread, feed: JournalFeed, clock: Clock) {
    this.#thread = thread
    this.#feed = feed
    this.#clock = clock
  }

  async unfinished(currentServer: ServerId): Promise<ExecutionRecord[]> {
    this.#feed.send()
    const records: ExecutionRecord[] = []
    for (;;) {
      const after = records.at(-1)?.id ?? ''
      const bodies = await this.#thread.call('unfinishedExecutions', { currentServer, after, limit: PAGE })
      records.push(...bodies.map(parseRecord))
      if (bodies.length < PAGE) return records
    }
  }

  unbuilt(): Promise<Environment[]> {
    return this.#thread.call('unbuiltEnvironments', undefined)
  }

  layers(): Promise<LayerHash[]> {
    return this.#thread.call('neededLayers', undefined)
  }

  async referenced(hashes: readonly BlobHash[]): Promise<Set<BlobHash>> {
    this.#feed.send()
    return new Set(await this.#thread.call('referencedBlobs', hashes))
  }

  async sweep({ maxAgeMs, maxCount }: RetentionLimits): Promise<Swept> {
    this.#feed.send()
    const nowMs = this.#clock.now()
    const executions: SweptStep = { removed: 0, freed: [] }
    for (const { id: tenantId } of await this.#thread.call('listTenants', undefined)) {
      const step = { tenantId, endedBefore: nowMs - maxAgeMs, maxCount, batch: SWEEP_BATCH }
      add(executions, await repeat(() => this.#thread.call('sweepExecutions', step)))
    }
    const expiry = { nowMs, batch: SWEEP_BATCH }
    const results = await repeat(() => this.#thread.call('sweepResults', expiry))
    const idempotency = await repeat(() => this.#thread.call('sweepIdempotency', expiry))
    return {
      executions: executions.removed,
      results: results.removed,
      idempotencyKeys: idempotency.removed,
      freed: [...new Set([...executions.freed, ...results.freed])],
    }
  }

  getSetting(name: string): Promise<string | undefined> {
    return this.#thread.call('getSetting', name)
  }

  setSetting(name: string, value: string): Promise<void> {
    return this.#thread.call('setSetting', { name, value })
  }
}

/** Batch after batch until one was not full. */
async function repeat(step: () => Promise<SweptStep>): Promise<SweptStep> {
  const sum: SweptStep = { removed: 0, freed: [] }
  for (;;) {
    const done = await step()
    add(sum, done)
    if (done.removed < SWEEP_BATCH) return sum
  }
}

function add(sum: SweptStep, step: SweptStep): void {
  sum.removed += step.removed
  sum.freed.push(...step.freed)
}
