/** 198.18.0.0/15: reserved for benchmarks, routed nowhere, so no program means a real host by it. */
const FIRST = (198 << 24) | (18 << 16)
const MOST_NAMES = 8192

/**
 * The made-up address each name of one sandbox is known under inside it. A connection to that address brings the name
 * back, so the host resolves the name itself at the moment of dialling, and nothing a name server tells the program
 * earlier or later can move the connection elsewhere.
 */
export class NameTable {
  readonly #addresses = new Map<string, string>()
  readonly #names = new Map<string, string>()

  /** undefined: the sandbox has used more names than any honest program does. */
  addressOf(name: string): string | undefined {
    const known = this.#addresses.get(name)
    if (known !== undefined) return known
    if (this.#addresses.size >= MOST_NAMES) return undefined
    const address = dotted(FIRST + 1 + this.#addresses.size)
    this.#addresses.set(name, address)
    this.#names.set(address, name)
    return address
  }

  nameOf(address: string): string | undefined {
    return this.#names.get(address)
  }
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}
