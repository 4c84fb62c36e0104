import { BEGINNING, type Piece, type Position, type StreamName } from '../../execution/output-log.ts'

const NEWLINE = 10

/**
 * Where the last `lines` lines of the output begin, each stream by itself. Two rings of places are all that is kept of it,
 * however long it is. A line's end at the very end begins no line.
 */
export async function tailPosition(
  pieces: AsyncIterable<Piece>,
  lines: number,
  only: StreamName | undefined,
): Promise<Position> {
  const streams = { stdout: new LastLines(lines), stderr: new LastLines(lines) }
  for await (const piece of pieces) {
    if (only === undefined || piece.stream === only) streams[piece.stream].push(piece.bytes)
  }
  return only === undefined
    ? { stdout: streams.stdout.start, stderr: streams.stderr.start }
    : { ...BEGINNING, [only]: streams[only].start }
}

class LastLines {
  readonly #wanted: number
  /** Where the last lines begin, oldest first. */
  readonly #starts: number[] = []
  #at = 0
  #fresh = true

  constructor(wanted: number) {
    this.#wanted = wanted
  }

  get start(): number {
    return this.#starts[0] ?? this.#at
  }

  push(bytes: Buffer): void {
    for (let index = 0; index < bytes.length; ) {
      if (this.#fresh) this.#begin(this.#at + index)
      const newline = bytes.indexOf(NEWLINE, index)
      this.#fresh = newline >= 0
      index = newline < 0 ? bytes.length : newline + 1
    }
    this.#at += bytes.length
  }

  #begin(at: number): void {
    this.#starts.push(at)
    if (this.#starts.length > this.#wanted) this.#starts.shift()
  }
}
