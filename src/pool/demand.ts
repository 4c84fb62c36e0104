import { EventRate, Ewma } from '../std/ewma.ts'

const RATE_HALF_LIFE_MS = 10_000
const CREATE_HALF_LIFE_MS = 30_000
const BURST_WINDOW_MS = 100
const BURST_HALF_LIFE_MS = 30_000

/** What is remembered of the claims for one kind of sandbox. Pure in time. */
export class Demand {
  readonly #rate = new EventRate(RATE_HALF_LIFE_MS)
  readonly #create = new Ewma(CREATE_HALF_LIFE_MS)
  #lastArrivalMs: number | undefined
  #windowStartMs = 0
  #windowCount = 0
  #peak = 0
  #peakAtMs = 0

  get createMs(): number | undefined {
    return this.#create.value
  }

  get lastArrivalMs(): number | undefined {
    return this.#lastArrivalMs
  }

  arrived(nowMs: number): void {
    this.#rate.hit(nowMs)
    this.#lastArrivalMs = nowMs
    if (nowMs - this.#windowStartMs >= BURST_WINDOW_MS) {
      this.#windowStartMs = nowMs
      this.#windowCount = 0
    }
    this.#windowCount++
    if (this.#windowCount >= this.burst(nowMs)) {
      this.#peak = this.#windowCount
      this.#peakAtMs = nowMs
    }
  }

  created(tookMs: number, nowMs: number): void {
    this.#create.observe(tookMs, nowMs)
  }

  perSecond(nowMs: number): number {
    return this.#rate.perSecond(nowMs)
  }

  burst(nowMs: number): number {
    return this.#peak * 0.5 ** (Math.max(0, nowMs - this.#peakAtMs) / BURST_HALF_LIFE_MS)
  }
}
