import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, unlink, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { asClocheError } from '../model/errors.ts'

/** A new file is begun above this, so that what has been taken in can be deleted by the file. */
const SEGMENT_BYTES = 4 * 1024 ** 2
const SEGMENT_NAME = /^(\d{8})\.journal$/
const CHECKSUM_CHARS = 8

export interface JournalPoint {
  readonly segment: number
  /** In bytes from the start of the segment. */
  readonly position: number
}

/**
 * An append-only log in numbered files: one line for each record, `crc32 json`. A line is in the kernel's hands when
 * `append` returns, so it outlives the process; it is not forced to disk, so a power cut may take the last seconds.
 *
 * It is one writer's, and bridges the moments until the database has the record. Each open begins a new file: nothing is
 * ever written behind a line that a crash tore.
 */
export class Journal {
  readonly #dir: string
  #file: number
  #segment: number
  #oldest: number
  #position = 0
  /** A write failed in the middle of a line; the next one has to end that line first. */
  #torn = false

  /** `oldest` is the first file still there, `lastSegment` the highest number ever used. */
  constructor(dir: string, oldest: number, lastSegment: number) {
    this.#dir = dir
    this.#oldest = oldest
    this.#segment = lastSegment + 1
    this.#file = this.#create()
  }

  get point(): JournalPoint {
    return { segment: this.#segment, position: this.#position }
  }

  append(json: string): void {
    if (this.#position >= SEGMENT_BYTES) this.#rotate()
    const line = `${this.#torn ? '\n' : ''}${crc32(json).toString(16).padStart(CHECKSUM_CHARS, '0')} ${json}\n`
    const bytes = Buffer.from(line)
    this.#torn = true
    try {
      for (let written = 0; written < bytes.length; ) {
        const count = writeSync(this.#file, bytes, written)
        written += count
        this.#position += count
      }
    } catch (error) {
      throw asClocheError(error)
    }
    this.#torn = false
  }

  /** The database has everything up to here: older files are of no use any more, and no harm if they stay. */
  discardBefore(point: JournalPoint): void {
    for (; this.#oldest < point.segment && this.#oldest < this.#segment; this.#oldest++) {
      unlink(this.#path(this.#oldest), () => {})
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  #rotate(): void {
    const full = this.#file
    this.#segment++
    this.#file = this.#create()
    this.#position = 0
    this.#torn = false
    closeSync(full)
  }

  #create(): number {
    return openSync(this.#path(this.#segment), 'ax', 0o600)
  }

  #path(segment: number): string {
    return join(this.#dir, `${String(segment).padStart(8, '0')}.journal`)
  }
}

export interface JournalSegment {
  readonly segment: number
  readonly path: string
}

/** The files of the journal in order; makes the folder if there is none. */
export function segmentsIn(dir: string): JournalSegment[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  return readdirSync(dir)
    .flatMap((name) => {
      const segment = SEGMENT_NAME.exec(name)?.[1]
      return segment === undefined ? [] : [{ segment: Number(segment), path: join(dir, name) }]
    })
    .sort((a, b) => a.segment - b.segment)
}

export interface ReadSegment {
  readonly records: string[]
  readonly unreadable: number
  readonly end: JournalPoint
}

/** The whole lines of a segment from `from` on. Torn and damaged ones are counted and left out; what follows them counts. */
export function readSegment({ segment, path }: JournalSegment, from: number): ReadSegment {
  const bytes = readFileSync(path)
  const records: string[] = []
  let unreadable = 0
  for (let start = from; start < bytes.length; ) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline === -1 ? bytes.length : newline
    const line = bytes.toString('utf8', start, end)
    const json = line.slice(CHECKSUM_CHARS + 1)
    if (newline !== -1 && parseInt(line.slice(0, CHECKSUM_CHARS), 16) === crc32(json)) records.push(json)
    else unreadable++
    start = end + 1
  }
  return { records, unreadable, end: { segment, position: bytes.length } }
}
