import type { NetworkKind, RuntimeName } from '../sandbox/driver.ts'
import type { Shelf } from './shelf.ts'

/** The pool as it is now, for metrics and operators. */
export interface PoolStats {
  /** Sandboxes that belong to a claim right now. */
  readonly leased: number
  /** Places taken: leased, ready, warm, and being made, reset or destroyed. */
  readonly taken: number
  readonly capacity: number
  readonly queued: number
  readonly creating: number
  readonly destroying: number
  readonly resetting: number
  readonly warm: number
  /** Claims served since the start, by start kind. */
  readonly claims: Readonly<Record<'standby' | 'fork' | 'cold' | 'warm', number>>
  readonly standby: readonly StandbyStats[]
}

export interface StandbyStats {
  readonly runtime: RuntimeName
  readonly network: NetworkKind
  readonly layers: readonly string[]
  readonly ready: number
  readonly making: number
  readonly target: number
}

export function statsOf(
  readings: Omit<PoolStats, 'standby'> & { readonly shelves: readonly Shelf[] },
): PoolStats {
  const { shelves, claims, ...rest } = readings
  return { ...rest, claims: { ...claims }, standby: shelves.map(standbyStats) }
}

function standbyStats(shelf: Shelf): StandbyStats {
  const { runtime, network, layers } = shelf.spec
  return { runtime, network, layers, ready: shelf.ready, making: shelf.making, target: shelf.target }
}
