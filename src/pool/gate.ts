/** Urgent before patient: someone waits for what is urgent. */
export type Urgency = 'urgent' | 'patient'

/** Runs at most `width` pieces of work at once; of what waits, the urgent goes first. */
export class Gate {
  readonly #width: number
  readonly #waiting: Record<Urgency, (() => void)[]> = { urgent: [], patient: [] }
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.urgent.length + this.#waiting.patient.length
  }

  async run<T>(urgency: Urgency, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#width)
      await new Promise<void>((resolve) => this.#waiting[urgency].push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      // The place is handed over, not freed: nobody can slip in between.
      const next = this.#waiting.urgent.shift() ?? this.#waiting.patient.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
