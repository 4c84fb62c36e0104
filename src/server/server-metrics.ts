import type { Pool } from '../pool/pool.ts'
import type { Driver } from '../sandbox/driver.ts'
import type { Metrics, Row } from '../std/metrics.ts'
import type { Store } from '../store/faces.ts'

/** What the parts know of themselves, read at each scrape. */
export function registerServerMetrics(
  metrics: Metrics,
  { pool, driver, store }: { readonly pool: Pool; readonly driver: Driver; readonly store: Store },
): void {
  metrics.gauge('cloche_sandboxes', 'Sandboxes alive, being made or unmade.', () => driver.count())
  metrics.gauge('cloche_pool_sandboxes', 'Sandboxes by what they are there for.', () => {
    const { leased, warm, resetting, creating, destroying } = pool.stats()
    return rows('state', { leased, warm, resetting, creating, destroying })
  })
  metrics.gauge('cloche_pool_queue', 'Claims that wait for a place.', () => pool.stats().queued)
  metrics.gauge('cloche_pool_capacity', 'Sandboxes that may exist at once.', () => pool.stats().capacity)
  metrics.gauge('cloche_standby_sandboxes', 'Sandboxes kept ready, by runtime.', () => {
    const ready: Record<string, number> = {}
    for (const shelf of pool.stats().standby) ready[shelf.runtime] = (ready[shelf.runtime] ?? 0) + shelf.ready
    return rows('runtime', ready)
  })
  metrics.gauge(
    'cloche_store_pending_records',
    'Journal records that are not in the database yet.',
    () => store.stats().pendingRecords,
  )
  metrics.gauge('process_resident_memory_bytes', 'Resident memory of the server process.', () =>
    process.memoryUsage.rss(),
  )
  metrics.gauge('process_cpu_seconds_total', 'CPU time of the server process.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge(
    'process_start_time_seconds',
    'When the server process began.',
    () => Date.now() / 1000 - process.uptime(),
  )
}

function rows(label: string, values: Readonly<Record<string, number>>): Row[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }))
}
