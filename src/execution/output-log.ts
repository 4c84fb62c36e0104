import { join } from 'node:path'
import { type ReadAt, type StreamLimits, StreamStore } from './stream-store.ts'

export type StreamName = 'stdout' | 'stderr'
export const STREAM_NAMES: readonly StreamName[] = ['stdout', 'stderr']

/** How much of each stream a reader has had. */
export interface Position {
  readonly stdout: number
  readonly stderr: number
}

export const BEGINNING: Position = { stdout: 0, stderr: 0 }

export interface Piece {
  readonly stream: StreamName
  readonly bytes: Buffer
  /** After this piece: from here another reader can go on. */
  readonly position: Position
}

const PIECE_BYTES = 48 * 1024
/** Changes between the streams that are remembered in order; a program that alternates more often is shown more coarsely. */
const MOST_TURNS = 4096

interface Turn {
  readonly stream: StreamName
  /** The stream's bytes up to here belong to this turn or an earlier one. */
  end: number
}

/**
 * Both streams of a running program. Readers pull, each at its own pace and from any place: a slow one costs no memory and
 * holds up nobody. What one sees is in the order it came, as long as the streams did not take turns too often.
 */
export class OutputLog {
  readonly stdout: StreamStore
  readonly stderr: StreamStore
  readonly #turns: Turn[] = []
  #ended = false
  #readers = 0
  #retired: ((stream: StreamName) => ReadAt) | undefined
  #wake: Array<() => void> = []

  constructor(folder: string, id: string, limits: StreamLimits) {
    this.stdout = new StreamStore(join(folder, `${id}.stdout`), limits)
    this.stderr = new StreamStore(join(folder, `${id}.stderr`), limits)
  }

  /** False: pause until `onRoom`. */
  append(stream: StreamName, chunk: Buffer): boolean {
    const store = this[stream]
    const room = store.append(chunk)
    const last = this.#turns.at(-1)
    if (last?.stream === stream || this.#turns.length >= MOST_TURNS) {
      const turn = last?.stream === stream ? last : this.#turns.findLast((one) => one.stream === stream)
      if (turn !== undefined) turn.end = store.keptBytes
    } else {
      this.#turns.push({ stream, end: store.keptBytes })
    }
    this.#notify()
    return room
  }

  onRoom(listener: () => void): void {
    for (const name of STREAM_NAMES) this[name].onRoom(listener)
  }

  /** Nothing comes any more; readers end when they have had everything. */
  end(): void {
    this.#ended = true
    this.#notify()
  }

  /** What there is of each stream right now. */
  now(): Position {
    return { stdout: this.stdout.keptBytes, stderr: this.stderr.keptBytes }
  }

  /** What lies between two positions, without waiting for more. */
  async *until(
    end: Position,
    signal?: AbortSignal,
    from: Position = BEGINNING,
  ): AsyncGenerator<Piece, void, void> {
    const left = { stdout: end.stdout - from.stdout, stderr: end.stderr - from.stderr }
    if (left.stdout <= 0 && left.stderr <= 0) return
    for await (const piece of this.follow(from, signal)) {
      const bytes = piece.bytes.subarray(0, Math.max(0, left[piece.stream]))
      left[piece.stream] -= piece.bytes.length
      if (bytes.length > 0) yield { ...piece, bytes }
      if (left.stdout <= 0 && left.stderr <= 0) return
    }
  }

  /** Everything from a position on, until the end. Leaving the loop is all it takes to stop. */
  async *follow(from: Position, signal?: AbortSignal): AsyncGenerator<Piece, void, void> {
    this.#readers++
    try {
      yield* this.#pieces(from, signal)
    } finally {
      this.#readers--
      if (this.#retired !== undefined && this.#readers === 0) await this.#close(this.#retired)
    }
  }

  async *#pieces(from: Position, signal?: AbortSignal): AsyncGenerator<Piece, void, void> {
    const had = { ...from }
    let turn = 0
    while (signal?.aborted !== true) {
      const next = this.#next(had, turn)
      if (next === undefined) {
        if (this.#ended) return
        await this.#change(signal)
        continue
      }
      turn = next.turn
      const bytes = await this[next.stream].read(had[next.stream], Math.min(next.most, PIECE_BYTES))
      if (bytes.length === 0) return
      had[next.stream] += bytes.length
      yield { stream: next.stream, bytes, position: { ...had } }
    }
  }

  async settle(): Promise<void> {
    await Promise.all(STREAM_NAMES.map((name) => this[name].settle()))
  }

  /** Lets go of its files as soon as the last reader has gone; whoever begins later reads what is `kept`. */
  async retire(kept: (stream: StreamName) => ReadAt): Promise<void> {
    this.#retired = kept
    if (this.#readers === 0) await this.#close(kept)
  }

  async #close(kept: (stream: StreamName) => ReadAt): Promise<void> {
    await Promise.all(STREAM_NAMES.map((name) => this[name].close(kept(name))))
  }

  #next(had: Position, fromTurn: number): { stream: StreamName; most: number; turn: number } | undefined {
    for (let turn = fromTurn; turn < this.#turns.length; turn++) {
      const one = this.#turns[turn]
      if (one !== undefined && had[one.stream] < one.end) {
        return { stream: one.stream, most: one.end - had[one.stream], turn }
      }
    }
    const last = Math.max(0, this.#turns.length - 1)
    for (const stream of STREAM_NAMES) {
      const most = this[stream].keptBytes - had[stream]
      if (most > 0) return { stream, most, turn: last }
    }
    return undefined
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done)
        resolve()
      }
      signal?.addEventListener('abort', done, { once: true })
      this.#wake.push(done)
    })
  }

  #notify(): void {
    if (this.#wake.length === 0) return
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }
}
