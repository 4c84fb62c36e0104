/** One who waits in a line, of the party it belongs to. */
interface Entry<T> {
  readonly item: T
  readonly party: string
}

/**
 * Several lines, one for each party, served in turns: a party with a thousand waiting delays another's first by one. Within
 * a party first come, first served. Bounded over all parties.
 */
export class FairQueue<T> {
  readonly capacity: number
  readonly #lines = new Map<string, Set<Entry<T>>>()
  #length = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get length(): number {
    return this.#length
  }

  /** A function that takes the item out again, or undefined when there is no place. */
  add(party: string, item: T): (() => void) | undefined {
    if (this.#length >= this.capacity) return undefined
    const entry: Entry<T> = { item, party }
    const line = this.#lines.get(party)
    if (line === undefined) this.#lines.set(party, new Set([entry]))
    else line.add(entry)
    this.#length++
    return () => this.#remove(entry)
  }

  next(): T | undefined {
    const [line] = this.#lines.values()
    if (line === undefined) return undefined
    const [entry] = line
    if (entry === undefined) return undefined
    this.#remove(entry)
    // To the end of the turn, if it still has somebody waiting.
    if (line.size > 0) {
      this.#lines.delete(entry.party)
      this.#lines.set(entry.party, line)
    }
    return entry.item
  }

  #remove(entry: Entry<T>): void {
    const line = this.#lines.get(entry.party)
    if (line?.delete(entry) !== true) return
    this.#length--
    if (line.size === 0) this.#lines.delete(entry.party)
  }
}
