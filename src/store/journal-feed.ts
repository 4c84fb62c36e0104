import { fail } from '../model/errors.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { DatabaseThread } from './database-thread.ts'
import type { Journal, JournalPoint } from './journal.ts'

/** How long an appended record may wait for others to share its transaction. */
const DELAY_MS = 25
const RETRY_DELAY_MS = 1000
/** The thread's heap bounds a batch, the server's what may wait while the database takes nothing (a full disk). */
const BATCH_RECORDS = 256
const BATCH_BYTES = 4 * 1024 ** 2
const PENDING_BYTES = 64 * 1024 ** 2

interface Pending {
  readonly json: string
  /** Where the journal stood after it. */
  readonly end: JournalPoint
}

interface Batch {
  readonly records: readonly Pending[]
  readonly from: JournalPoint
  readonly settled: Promise<void>
  failure?: unknown
}

/**
 * Carries what is appended to the journal into the database, in order, in batches. A batch the database refuses is tried
 * again until it is taken; the journal's files are kept until then.
 */
export class JournalFeed {
  readonly #journal: Journal
  readonly #thread: Pick<DatabaseThread, 'call'>
  readonly #clock: Clock
  #pending: Pending[] = []
  #pendingBytes = 0
  #underway: Batch[] = []
  #sentTo: JournalPoint
  #timer: Timer | undefined
  #retry: Timer | undefined
  #stopped = false

  /** `takenTo` is how far the database has the journal. */
  constructor(journal: Journal, thread: Pick<DatabaseThread, 'call'>, clock: Clock, takenTo: JournalPoint) {
    this.#journal = journal
    this.#thread = thread
    this.#clock = clock
    this.#sentTo = takenTo
  }

  get pendingRecords(): number {
    return this.#pending.length + this.#underway.reduce((sum, batch) => sum + batch.records.length, 0)
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  append(json: string): void {
    if (this.#stopped) fail('shutting_down', {})
    if (this.#pendingBytes > PENDING_BYTES) fail('storage_full', {})
    this.#journal.append(json)
    this.#pending.push({ json, end: this.#journal.point })
    this.#pendingBytes += json.length
    if (this.#pending.length >= BATCH_RECORDS) this.send()
    else this.#timer ??= this.#clock.after(DELAY_MS, () => this.send())
  }

  /** Sends everything appended so far on its way: calls made to the thread after this see it. */
  send(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#retry !== undefined) return
    while (this.#pending.length > 0) {
      const records = this.#pending.splice(0, batchLength(this.#pending))
      const from = this.#sentTo
      this.#sentTo = records.at(-1)?.end ?? from
      this.#underway.push(this.#carry(records, from, this.#sentTo))
    }
  }

  /** Resolves when the database has everything appended so far; rejects if it refuses any of it. */
  async flush(): Promise<void> {
    this.#retry?.cancel()
    this.#retry = undefined
    this.send()
    const batches = [...this.#underway]
    await Promise.all(batches.map((batch) => batch.settled))
    const failed = batches.find((batch) => batch.failure !== undefined)
    if (failed !== undefined) throw failed.failure
  }

  /** Stops without sending: what is still pending waits in the journal for the next open. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#retry?.cancel()
  }

  #carry(records: readonly Pending[], from: JournalPoint, to: JournalPoint): Batch {
    const bodies = records.map((record) => record.json)
    const settled = this.#thread.call('takeInJournal', { bodies, from, to }).then(
      () => this.#taken(batch, to),
      (error: unknown) => this.#refused(batch, error),
    )
    const batch: Batch = { records, from, settled }
    return batch
  }

  #taken(batch: Batch, to: JournalPoint): void {
    this.#underway = this.#underway.filter((other) => other !== batch)
    for (const { json } of batch.records) this.#pendingBytes -= json.length
    this.#journal.discardBefore(to)
  }

  /** The database refuses every batch after a refused one, so all that is under way comes back, and in order. */
  #refused(batch: Batch, error: unknown): void {
    batch.failure = error
    const [first] = this.#underway
    if (first === undefined || this.#underway.some((other) => other.failure === undefined)) return
    this.#pending = [...this.#underway.flatMap((other) => other.records), ...this.#pending]
    this.#underway = []
    this.#sentTo = first.from
    this.#retry = this.#clock.after(RETRY_DELAY_MS, () => {
      this.#retry = undefined
      this.send()
    })
  }
}

function batchLength(pending: readonly Pending[]): number {
  let bytes = 0
  const tooLarge = pending.findIndex((record, index) => {
    bytes += record.json.length
    return index > 0 && (index === BATCH_RECORDS || bytes > BATCH_BYTES)
  })
  return tooLarge === -1 ? pending.length : tooLarge
}
