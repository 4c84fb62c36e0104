/** Someone waits for what is urgent. */
export type Urgency = 'urgent' | 'patient'

/** How urgent a piece of work is; it may become urgent while it waits (`promote`). */
export interface Ticket {
  urgency: Urgency
}

export interface GateWidths {
  /** Pieces of work that run at once. */
  readonly width: number
  /** Of these, patient ones: the rest is kept for whatever is urgent next. */
  readonly patientWidth: number
}

interface Waiting {
  readonly ticket: Ticket
  readonly start: () => void
}

/** Runs a bounded number of pieces of work at once; of what waits, the urgent goes first, each kind in order. */
export class Gate {
  readonly #widths: GateWidths
  readonly #waiting: Waiting[] = []
  #running = 0
  #patient = 0

  constructor(widths: GateWidths) {
    this.#widths = widths
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  async run<T>(ticket: Ticket, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#mayStart(ticket)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push({ ticket, start: resolve })
      this.#startNext()
      await promise
    } else {
      this.#count(ticket, 1)
    }
    const began: Ticket = { urgency: ticket.urgency }
    try {
      return await work()
    } finally {
      this.#count(began, -1)
      this.#startNext()
    }
  }

  promote(ticket: Ticket): void {
    // One that runs already is counted as it began.
    if (this.#waiting.every((waiting) => waiting.ticket !== ticket)) return
    ticket.urgency = 'urgent'
    this.#startNext()
  }

  #startNext(): void {
    for (;;) {
      const urgent = this.#waiting.findIndex(({ ticket }) => ticket.urgency === 'urgent')
      const at = urgent >= 0 ? urgent : 0
      const next = this.#waiting[at]
      if (next === undefined || !this.#mayStart(next.ticket)) return
      this.#waiting.splice(at, 1)
      // Counted here, not when its turn comes: nobody may slip in between.
      this.#count(next.ticket, 1)
      next.start()
    }
  }

  #mayStart(ticket: Ticket): boolean {
    if (this.#running >= this.#widths.width) return false
    return ticket.urgency === 'urgent' || this.#patient < this.#widths.patientWidth
  }

  #count(ticket: Ticket, by: number): void {
    this.#running += by
    if (ticket.urgency === 'patient') this.#patient += by
  }
}
