import { constants } from 'node:fs'
import { chmod, type FileHandle, mkdir, open, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { TreePart } from '../sandbox/driver.ts'
import { formatBytes } from '../std/units.ts'

export interface LayerLimits {
  readonly bytes: number
  /** Folders, files and links together. */
  readonly entries: number
}

/** The sandbox's folder cannot become a layer; the message says why, for the user. */
export class LayerRefused extends Error {
  override readonly name = 'LayerRefused'
}

const DEEPEST = 64
const LONGEST_NAME_BYTES = 255
const LONGEST_PATH_BYTES = 1024
const LONGEST_LINK = 1024
/** What a folder or a small file takes on a disk at least, so that millions of empty ones are not free. */
const ENTRY_BYTES = 512

/**
 * Writes what a sandbox says is in its folder below a new folder of the host. Every parent of what is written was made here as
 * a real folder before, and nothing that exists is written again, so no path leads out and no link is followed, whatever the
 * sandbox says and in whatever order. Owner and mode are ours; only whether a file can be run is taken over.
 */
export class LayerWriter {
  readonly #folder: string
  readonly #root: string
  readonly #limits: LayerLimits
  readonly #folders = new Set<string>()
  #open: { readonly handle: FileHandle; readonly mode: number } | undefined
  #bytes = 0
  #entries = 0

  /** `folder` exists and is empty; `root` is what the sandbox calls it. */
  constructor(folder: string, root: string, limits: LayerLimits) {
    this.#folder = folder
    this.#root = root
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get entries(): number {
    return this.#entries
  }

  async take(part: TreePart): Promise<void> {
    switch (part.kind) {
      case 'folder':
        return this.#makeFolder(part.path)
      case 'file':
        return this.#begin(part.path, part.mode, part.bytes)
      case 'content':
        return this.#write(part.chunk, part.last)
      case 'link':
        return this.#link(part.path, part.target)
      case 'missing':
        throw new LayerRefused(`${shown(part.path)} could not be read`)
    }
  }

  /** After the last part, or when there will be none any more. */
  async close(): Promise<void> {
    await this.#open?.handle.close()
    this.#open = undefined
  }

  async #makeFolder(path: string): Promise<void> {
    if (path === this.#root && this.#folders.size === 0) {
      this.#folders.add('')
      return
    }
    const place = this.#place(path)
    this.#count(0)
    await mkdir(join(this.#folder, place)).catch(refuseDuplicate(path))
    await chmod(join(this.#folder, place), 0o755)
    this.#folders.add(place)
  }

  async #begin(path: string, mode: number, bytes: bigint): Promise<void> {
    const place = this.#place(path)
    this.#count(bytes > BigInt(this.#limits.bytes) ? Number.POSITIVE_INFINITY : Number(bytes))
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const handle = await open(join(this.#folder, place), flags, 0o600).catch(refuseDuplicate(path))
    this.#open = { handle, mode: (mode & 0o111) === 0 ? 0o644 : 0o755 }
  }

  async #write(chunk: Buffer, last: boolean): Promise<void> {
    const file = this.#open
    if (file === undefined) throw new Error('content without a file')
    for (let at = 0; at < chunk.length; ) at += (await file.handle.write(chunk, at)).bytesWritten
    if (!last) return
    await file.handle.chmod(file.mode)
    await this.close()
  }

  async #link(path: string, target: string): Promise<void> {
    const place = this.#place(path)
    if (!staysInside(place, target))
      throw new LayerRefused(`the link ${shown(path)} leads out of the environment`)
    this.#count(0)
    await symlink(target, join(this.#folder, place)).catch(refuseDuplicate(path))
  }

  /** The path below the layer; its parent is a folder made here. */
  #place(path: string): string {
    const names = path.split('/')
    const sound =
      names.shift() === this.#root &&
      names.length > 0 &&
      names.length <= DEEPEST &&
      Buffer.byteLength(path) <= LONGEST_PATH_BYTES &&
      names.every(soundName)
    const place = names.join('/')
    if (!sound || !this.#folders.has(names.slice(0, -1).join('/')))
      throw new LayerRefused(`${shown(path)} is no path an environment may have`)
    return place
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#entries++
    if (this.#entries > this.#limits.entries)
      throw new LayerRefused(
        `it has more than ${this.#limits.entries} files and folders, the most an environment may have`,
      )
    if (this.#bytes + this.#entries * ENTRY_BYTES > this.#limits.bytes)
      throw new LayerRefused(
        `it is larger than ${formatBytes(this.#limits.bytes)}, the most an environment may have`,
      )
  }
}

/** Names that are not UTF-8 arrive with the replacement character, and could name another file then. */
function soundName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    !/[\0\ufffd]/.test(name) &&
    Buffer.byteLength(name) <= LONGEST_NAME_BYTES
  )
}

/**
 * Only leading `..` may go up, and no further than the link's real folder is deep: what follows goes down, through links of
 * which the same holds. `a/..` could go up from wherever the link `a` leads.
 */
function staysInside(place: string, target: string): boolean {
  if (target === '' || target.length > LONGEST_LINK || target.startsWith('/') || /[\0\ufffd]/.test(target))
    return false
  const steps = target.split('/').filter((step) => step !== '' && step !== '.')
  const down = steps.findIndex((step) => step !== '..')
  const ups = down === -1 ? steps.length : down
  return ups <= place.split('/').length - 1 && !steps.slice(ups).includes('..')
}

function refuseDuplicate(path: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'EEXIST') throw new LayerRefused(`${shown(path)} was there twice`, { cause: error })
    throw error
  }
}

/** Paths are the sandbox's words: short, and without what a terminal would obey. */
function shown(path: string): string {
  return JSON.stringify(path.slice(0, 120))
}
