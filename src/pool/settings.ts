import type { Limits, RuntimeName } from '../sandbox/driver.ts'
import type { AdmissionSettings } from './admission.ts'
import type { GateWidths } from './gate.ts'
import type { MemoryReadings } from './memory.ts'

export interface StandbyRange {
  readonly min: number
  readonly max: number
}

export interface PoolSettings extends AdmissionSettings {
  /** What standby sandboxes are made with; other limits are applied when one is claimed. */
  readonly defaultLimits: Limits
  /** Sandboxes of a kind kept ready without layers and network; other kinds are kept ready only while they are asked for. */
  readonly standby: Readonly<Record<RuntimeName, StandbyRange>>
  readonly standbyIdleMs: number
  readonly warm: {
    readonly max: number
    readonly idleMs: number
    readonly maxUses: number
  }
  readonly making: GateWidths
  readonly destroyConcurrency: number
  /** What must stay free on the machine before another sandbox is made. */
  readonly memoryReserveBytes: number
  /** How long `close` waits for leases before it destroys what they hold. */
  readonly drainMs: number
}

const MIB = 1024 ** 2

/** What a sandbox that does next to nothing takes from the machine, kernel objects included: the measured worst kind. */
export const IDLE_SANDBOX_BYTES: Readonly<Record<RuntimeName, number>> = {
  bare: 1 * MIB,
  python: 4 * MIB,
  node: 12 * MIB,
}

/** Room that one running sandbox is expected to need on average: what is allowed is far more, and rarely used. */
const EXPECTED_SANDBOX_BYTES = 8 * MIB

/** Sensible for the machine as it is: by its memory and cores. */
export function defaultPoolSettings(
  memory: MemoryReadings,
  cores: number,
  defaultLimits: Limits,
): PoolSettings {
  const memoryReserveBytes = Math.max(256 * MIB, Math.round(memory.totalBytes * 0.05))
  const fits = Math.floor((memory.totalBytes - memoryReserveBytes) / EXPECTED_SANDBOX_BYTES)
  const maxSandboxes = Math.max(8, Math.min(4096, fits))
  return {
    defaultLimits,
    maxSandboxes,
    queueLimit: 2 * maxSandboxes,
    queueDeadlineMs: 10_000,
    standby: { bare: { min: 2, max: 32 }, python: { min: 4, max: 32 }, node: { min: 2, max: 16 } },
    standbyIdleMs: 300_000,
    warm: { max: Math.max(4, Math.min(128, Math.floor(maxSandboxes / 8))), idleMs: 120_000, maxUses: 1000 },
    making: makingWidths(cores),
    destroyConcurrency: Math.max(4, 4 * cores),
    memoryReserveBytes,
    drainMs: 10_000,
  }
}

/**
 * Cloning namespaces is serial in the kernel: on two cores one at a time makes 331 in a second, two 349, eight 372, but each
 * of the eight then takes 21 ms instead of 3. So few at once, and standby leaves room for claims.
 */
function makingWidths(cores: number): GateWidths {
  const width = Math.max(2, Math.min(4, cores))
  return { width, patientWidth: Math.floor(width / 2) }
}
