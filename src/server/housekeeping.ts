import type { Blobs } from '../blobs/blobs.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { RetentionLimits, Store } from '../store/faces.ts'

export interface HousekeepingParts {
  readonly store: Store
  readonly blobs: Blobs
  readonly clock: Clock
  readonly log: Log
  readonly limits: RetentionLimits
  readonly intervalMs: number
}

/** A put and the record that refers to it are never further apart: an accepted request waits for its commit only. */
const BLOB_GRACE_MS = 3_600_000
/** Every blob is looked at this often; in between only those that a sweep has freed. */
const FULL_COLLECTION_EVERY = 60

/** Removes what the retention limits no longer cover, a little at a time. Returns what stops it. */
export function startHousekeeping(parts: HousekeepingParts): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let round = 0
  let running: Promise<void> = Promise.resolve()
  let timer: Timer | undefined
  const again = (): void => {
    timer = parts.clock.after(parts.intervalMs, () => {
      running = sweep(parts, round++ % FULL_COLLECTION_EVERY === 0, stopping.signal).finally(() => {
        if (!stopping.signal.aborted) again()
      })
    })
  }
  again()
  return {
    stop: () => {
      timer?.cancel()
      stopping.abort()
      return running
    },
  }
}

async function sweep(parts: HousekeepingParts, everything: boolean, signal: AbortSignal): Promise<void> {
  const { store, blobs, log, limits } = parts
  try {
    const swept = await store.platform.sweep(limits)
    const collected = await blobs.gc({
      referenced: (hashes) => store.platform.referenced(hashes),
      graceMs: BLOB_GRACE_MS,
      signal,
      ...(everything ? {} : { candidates: swept.freed }),
    })
    if (swept.executions + collected.blobs > 0) {
      log.info('swept', {
        executions: swept.executions,
        results: swept.results,
        blobs: collected.blobs,
        bytes: collected.bytes,
      })
    }
  } catch (error) {
    if (!signal.aborted) log.error('sweeping failed', { error })
  }
}
