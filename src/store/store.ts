import { dirname, join } from 'node:path'
import type { Environment } from '../model/environment.ts'
import { newTenantId, type TenantId } from '../model/ids.ts'
import type { Tenant } from '../model/tenant.ts'
import { type Clock, systemClock } from '../std/clock.ts'
import { DatabaseThread } from './database-thread.ts'
import { ExecutionTable, parseRecord } from './executions.ts'
import type { Environments, Idempotency, ResultCache, Store, Tenants } from './faces.ts'
import { Journal, type JournalPoint, readSegment, segmentsIn } from './journal.ts'
import { JournalFeed } from './journal-feed.ts'
import { KeyRing } from './key-ring.ts'
import { PlatformTable } from './platform.ts'

export type * from './faces.ts'

export interface StoreOptions {
  readonly clock?: Clock
  /** Default: `journal` beside the database. */
  readonly journalDir?: string
}

const REPLAY_BATCH = 256

/**
 * Opens the store at `path`, making it at the first start. Refuses with `store_too_new`, `store_in_use` or
 * `store_damaged`. When it resolves, everything an earlier process appended is in the database.
 */
export async function openStore(path: string, options: StoreOptions = {}): Promise<Store> {
  const { clock = systemClock, journalDir = join(dirname(path), 'journal') } = options
  const thread = await DatabaseThread.start(path)
  try {
    const replay = await replayJournal(thread, journalDir)
    const journal = new Journal(journalDir, replay.oldest, replay.lastSegment)
    journal.discardBefore(journal.point)
    const feed = new JournalFeed(journal, thread, clock, replay.takenTo)
    return makeStore(thread, journal, feed, clock, replay)
  } catch (error) {
    await thread.close()
    throw error
  }
}

interface Replay {
  readonly takenTo: JournalPoint
  readonly oldest: number
  readonly lastSegment: number
  readonly replayed: number
  readonly unreadable: number
}

/** Takes in what the process before wrote to the journal and did not get into the database. */
async function replayJournal(thread: DatabaseThread, dir: string): Promise<Replay> {
  let takenTo = await thread.call('journalPosition', undefined)
  let replayed = 0
  let unreadable = 0
  const segments = segmentsIn(dir)
  for (const file of segments.filter(({ segment }) => segment >= takenTo.segment)) {
    const from = file.segment === takenTo.segment ? takenTo.position : 0
    const read = readSegment(file, from)
    // The position moves with the last batch only: after a crash in between the file is read again from its start.
    for (let first = 0; first < read.records.length; first += REPLAY_BATCH) {
      const bodies = read.records.slice(first, first + REPLAY_BATCH)
      await thread.call('takeInJournal', { bodies, from: takenTo, to: takenTo })
    }
    await thread.call('takeInJournal', { bodies: [], from: takenTo, to: read.end })
    takenTo = read.end
    replayed += read.records.length
    unreadable += read.unreadable
  }
  const lastSegment = Math.max(takenTo.segment, segments.at(-1)?.segment ?? 0)
  return { takenTo, oldest: segments[0]?.segment ?? lastSegment + 1, lastSegment, replayed, unreadable }
}

function makeStore(
  thread: DatabaseThread,
  journal: Journal,
  feed: JournalFeed,
  clock: Clock,
  replay: Replay,
): Store {
  const keys = new KeyRing(thread, clock)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    // What cannot be fed now (a full disk) stays in the journal for the next open.
    await Promise.allSettled([feed.flush(), keys.flush()])
    feed.stop()
    await thread.close()
    journal.close()
  }
  return {
    tenants: tenantsOn(thread, clock),
    keys,
    executions: new ExecutionTable(thread, feed, clock),
    environments: environmentsOn(thread),
    results: resultsOn(thread, clock),
    idempotency: idempotencyOn(thread, clock),
    platform: new PlatformTable(thread, feed, clock),
    broken: thread.broken,
    flush: async () => {
      await Promise.all([feed.flush(), keys.flush()])
    },
    stats: () => ({
      pendingRecords: feed.pendingRecords,
      pendingBytes: feed.pendingBytes,
      waitingCalls: thread.waitingCalls,
      replayedRecords: replay.replayed,
      unreadableLines: replay.unreadable,
    }),
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

function tenantsOn(thread: DatabaseThread, clock: Clock): Tenants {
  return {
    create: async (name) => {
      const now = clock.now()
      const tenant: Tenant = { id: newTenantId(now), name, createdAt: now }
      await thread.call('createTenant', tenant)
      return tenant
    },
    get: (id) => thread.call('getTenant', id),
    byName: (name) => thread.call('tenantByName', name),
    list: () => thread.call('listTenants', undefined),
  }
}

function environmentsOn(thread: DatabaseThread): Environments {
  return {
    create: (environment: Environment) => thread.call('createEnvironment', environment),
    update: (environment: Environment) => thread.call('updateEnvironment', environment),
    get: (tenantId, id) => thread.call('getEnvironment', { tenantId, id }),
    byName: (tenantId, name) => thread.call('environmentByName', { tenantId, name }),
    bySpec: (tenantId, specHash) => thread.call('environmentBySpec', { tenantId, specHash }),
    list: (tenantId) => thread.call('listEnvironments', tenantId),
    delete: (tenantId, id) => thread.call('deleteEnvironment', { tenantId, id }),
  }
}

function resultsOn(thread: DatabaseThread, clock: Clock): ResultCache {
  return {
    get: async (tenantId: TenantId, key: string) => {
      const body = await thread.call('getResult', { tenantId, key, nowMs: clock.now() })
      return body === undefined ? undefined : parseRecord(body)
    },
    put: (tenantId, key, record, expiresAt) =>
      thread.call('putResult', { tenantId, key, body: JSON.stringify(record), expiresAt }),
  }
}

function idempotencyOn(thread: DatabaseThread, clock: Clock): Idempotency {
  return {
    find: (tenantId, key, fingerprint) =>
      thread.call('findClaim', { tenantId, key, fingerprint, nowMs: clock.now() }),
  }
}
