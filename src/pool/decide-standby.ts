/** What is known about the demand for one kind of sandbox. */
export interface StandbyReadings {
  readonly arrivalsPerSecond: number
  /** The most claims that came within one burst window lately, forgotten slowly. */
  readonly burst: number
  /** How long making one takes; undefined while none has been made. */
  readonly createMs: number | undefined
  /** Undefined: nobody ever asked. */
  readonly lastArrivalMs: number | undefined
  readonly memoryAvailableBytes: number
}

export interface StandbySpec {
  /** Kept ready also when nobody asks. */
  readonly min: number
  readonly max: number
  /** Without a claim for this long only `min` are kept. */
  readonly idleMs: number
  /** What must stay free on the machine. */
  readonly memoryReserveBytes: number
  /** What one ready sandbox takes from the machine. */
  readonly sandboxBytes: number
}

export interface StandbyDecision {
  readonly target: number
  /** For people who ask why. */
  readonly reason: string
}

/** Before the first one has been made. */
const ASSUMED_CREATE_MS = 10
/** Standby may take this share of the memory beyond the reserve; the rest is for programs. */
const MEMORY_SHARE = 0.25

/**
 * How many sandboxes should be ready. While one is being made, `rate × time` claims arrive on average and, arrivals being
 * random, about two standard deviations more now and then; a burst seen before may come again.
 */
export function decideStandby(nowMs: number, readings: StandbyReadings, spec: StandbySpec): StandbyDecision {
  const freeBytes = readings.memoryAvailableBytes - spec.memoryReserveBytes
  if (freeBytes <= 0) return { target: 0, reason: 'memory is below the reserve' }
  const affordable = Math.floor((freeBytes * MEMORY_SHARE) / spec.sandboxBytes)
  const { lastArrivalMs } = readings
  const idle = lastArrivalMs === undefined || nowMs - lastArrivalMs >= spec.idleMs
  const wanted = idle ? spec.min : Math.max(spec.min, demand(readings))
  const target = Math.min(wanted, spec.max, affordable)
  if (target < wanted) return { target, reason: target === spec.max ? 'the maximum' : 'what memory allows' }
  return { target, reason: idle ? 'idle' : target === spec.min ? 'the minimum' : 'demand' }
}

function demand(readings: StandbyReadings): number {
  const expected = (readings.arrivalsPerSecond * (readings.createMs ?? ASSUMED_CREATE_MS)) / 1000
  return Math.ceil(Math.max(expected + 2 * Math.sqrt(expected), Math.round(readings.burst)))
}
