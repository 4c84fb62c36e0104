import { ProtocolError } from './frames.ts'
import { MAX_PATH_BYTES, type RecordHead, RecordHeads } from './record-heads.ts'

const KIND_MASK = 0o170000
const FOLDER = 0o040000
const LINK = 0o120000
const FILE = 0o100000
const MISSING_MODE = 0xffffffff

/** One step of a folder's content as `files-out --tree` tells it. Nothing in it is checked but its form. */
export type TreePart =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  /** `content` parts follow, `bytes` in all. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly bytes: bigint }
  | { readonly kind: 'content'; readonly chunk: Buffer; readonly last: boolean }
  | { readonly kind: 'missing'; readonly path: string }

/** Cuts the answer of `files-out --tree` into parts without keeping any: whoever takes them bounds them. */
export class TreeReader {
  readonly #heads = new RecordHeads()
  /** Of the file or link that is being read. */
  #restBytes = 0n
  #link: { readonly path: string; readonly target: Buffer[] } | undefined;

  *read(chunk: Buffer): Generator<TreePart> {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#restBytes > 0n) {
        const size = rest.length < this.#restBytes ? rest.length : Number(this.#restBytes)
        this.#restBytes -= BigInt(size)
        yield* this.#content(rest.subarray(0, size))
        rest = rest.subarray(size)
      } else {
        const taken = this.#heads.take(rest)
        rest = taken.rest
        if (taken.head !== undefined) yield* this.#begin(taken.head)
      }
    }
  }

  /** Throws if the stream ended within something. */
  finish(): void {
    if (this.#restBytes > 0n || !this.#heads.empty) throw new ProtocolError('a tree ends in the middle')
  }

  *#begin({ path, mode, size }: RecordHead): Generator<TreePart> {
    const kind = mode === MISSING_MODE ? MISSING_MODE : mode & KIND_MASK
    if (kind === FILE || kind === 0) {
      this.#restBytes = size
      yield { kind: 'file', path, mode: mode & 0o7777, bytes: size }
      if (size === 0n) yield { kind: 'content', chunk: Buffer.alloc(0), last: true }
    } else if (kind === LINK) {
      if (size === 0n || size > MAX_PATH_BYTES) throw new ProtocolError(`a link to a path of ${size} bytes`)
      this.#restBytes = size
      this.#link = { path, target: [] }
    } else if ((kind === FOLDER || kind === MISSING_MODE) && size === 0n) {
      yield kind === FOLDER ? { kind: 'folder', path, mode: mode & 0o7777 } : { kind: 'missing', path }
    } else {
      throw new ProtocolError(`mode 0${mode.toString(8)} with ${size} bytes in a tree`)
    }
  }

  *#content(chunk: Buffer): Generator<TreePart> {
    const link = this.#link
    const last = this.#restBytes === 0n
    if (link === undefined) {
      yield { kind: 'content', chunk, last }
      return
    }
    link.target.push(chunk)
    if (!last) return
    this.#link = undefined
    yield { kind: 'link', path: link.path, target: Buffer.concat(link.target).toString('utf8') }
  }
}
