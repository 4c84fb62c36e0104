import type { Clock } from '../std/clock.ts'

/** A share of bandwidth: bytes are spent when they have passed, and whoever spent ahead waits until that is made up for. */
export class Bandwidth {
  readonly #bytesPerSecond: number
  readonly #clock: Clock
  #balance: number
  #atMs: number

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
    this.#balance = bytesPerSecond
    this.#atMs = clock.monotonic()
  }

  /** How long to wait before passing on more. At most one second's worth is saved up. */
  spend(bytes: number): number {
    const nowMs = this.#clock.monotonic()
    const earned = ((nowMs - this.#atMs) * this.#bytesPerSecond) / 1000
    this.#balance = Math.min(this.#bytesPerSecond, this.#balance + earned) - bytes
    this.#atMs = nowMs
    return this.#balance >= 0 ? 0 : (-this.#balance * 1000) / this.#bytesPerSecond
  }
}
