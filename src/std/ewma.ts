/** An average in which what lies `halfLifeMs` back weighs half. Pure in time: every call says when it is. */
export class Ewma {
  readonly #halfLifeMs: number
  #value: number | undefined
  #atMs = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  /** The average, or undefined while nothing has been seen: "no data" is not zero. */
  get value(): number | undefined {
    return this.#value
  }

  observe(value: number, nowMs: number): void {
    if (this.#value === undefined) {
      this.#value = value
    } else {
      const kept = 0.5 ** (Math.max(0, nowMs - this.#atMs) / this.#halfLifeMs)
      // Two readings at one instant share the weight instead of the later one counting for nothing.
      this.#value = kept === 1 ? (this.#value + value) / 2 : this.#value * kept + value * (1 - kept)
    }
    this.#atMs = Math.max(this.#atMs, nowMs)
  }
}

/** Events per second, forgotten with the same half-life: for arrival rates, falls to zero when nothing arrives. */
export class EventRate {
  readonly #halfLifeMs: number
  #weight = 0
  #atMs = 0

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs
  }

  hit(nowMs: number, count = 1): void {
    this.#weight = this.#weightAt(nowMs) + count
    this.#atMs = Math.max(this.#atMs, nowMs)
  }

  perSecond(nowMs: number): number {
    return (this.#weightAt(nowMs) * Math.LN2 * 1000) / this.#halfLifeMs
  }

  #weightAt(nowMs: number): number {
    return this.#weight * 0.5 ** (Math.max(0, nowMs - this.#atMs) / this.#halfLifeMs)
  }
}
