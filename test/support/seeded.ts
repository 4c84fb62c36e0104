/**
 * Seeded randomness for fuzzing and crash points. The seed is printed whenever a test draws one, and
 * CLOCHE_TEST_SEED repeats a run exactly.
 */

export interface Seeded {
  readonly seed: number
  /** A float in [0, 1). */
  next(): number
  /** An integer in [low, high]. */
  int(low: number, high: number): number
  pick<T>(choices: readonly T[]): T
  chance(probability: number): boolean
  bytes(length: number): Buffer
}

export function chosenSeed(): number {
  const given = process.env['CLOCHE_TEST_SEED']
  if (given !== undefined) return Number.parseInt(given, 10) >>> 0
  return (Date.now() ^ (process.pid << 16)) >>> 0
}

/** Mulberry32: small, fast, good enough to choose test inputs. */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1))
  return {
    seed,
    next,
    int,
    pick<T>(choices: readonly T[]): T {
      const chosen = choices[int(0, choices.length - 1)]
      if (chosen === undefined && choices.length === 0) throw new Error('nothing to pick from')
      return chosen as T // the index is in range: int() is bounded by the length checked above
    },
    chance: (probability) => next() < probability,
    bytes(length) {
      const out = Buffer.alloc(length)
      for (let at = 0; at < length; at++) out[at] = int(0, 255)
      return out
    },
  }
}
