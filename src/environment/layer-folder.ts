import { execFile } from 'node:child_process'
import { chmod, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isLayerHash, type LayerHash } from '../model/ids.ts'
import { MAX_TIMEOUT_MS } from '../model/limits.ts'
import type { Clock } from '../std/clock.ts'
import { randomName } from '../std/ids.ts'
import { type Manifest, manifestFrom } from './manifest.ts'

const MANIFEST = 'manifest.json'
/** Longer than any execution: those that have a removed layer mounted keep its files. */
const REMOVED_STAY_MS = MAX_TIMEOUT_MS + 60_000
/** More than so many do not wait: the oldest goes at once, so that making and removing cannot fill the disk. */
const MOST_REMOVED = 8

/** A layer that is being written; nobody sees it until it is kept. */
export interface Draft {
  readonly folder: string
  /** Makes it the layer of this hash: complete and on disk, or not at all. */
  keep(hash: LayerHash, manifest: Manifest): Promise<void>
  discard(): Promise<void>
}

/** The folder of all layers. What is not named by a hash is unfinished or on its way out, and goes at the next start. */
export class LayerFolder {
  readonly #folder: string
  readonly #clock: Clock
  readonly #present = new Set<LayerHash>()
  /** Folders out of use whose files may still be mounted. */
  readonly #removed: string[] = []

  constructor(folder: string, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
  }

  /** Removes what an earlier process left half done, and layers that nobody needs. */
  async open(needed: ReadonlySet<LayerHash>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o755 })
    for (const name of await readdir(this.#folder)) {
      if (isLayerHash(name) && needed.has(name)) this.#present.add(name)
      else await this.#clear(name)
    }
  }

  /** Renamed first: a folder that has lost a part must not be there under a layer's name. */
  async #clear(name: string): Promise<void> {
    const aside = join(this.#folder, `.removed-${randomName(16)}`)
    await rename(join(this.#folder, name), aside)
    await rm(aside, { recursive: true, force: true })
  }

  has(hash: LayerHash): boolean {
    return this.#present.has(hash)
  }

  /** undefined: there is no such layer, or nothing that can be read says what is in it. */
  async manifest(hash: LayerHash): Promise<Manifest | undefined> {
    if (!this.has(hash)) return undefined
    const text = await readFile(join(this.#folder, hash, MANIFEST), 'utf8').catch(() => '')
    return manifestFrom(text)
  }

  async begin(): Promise<Draft> {
    const folder = join(this.#folder, `.unfinished-${randomName(16)}`)
    await mkdir(folder, { mode: 0o755 })
    await chmod(folder, 0o755)
    return {
      folder,
      keep: (hash, manifest) => this.#keep(folder, hash, manifest),
      discard: () => rm(folder, { recursive: true, force: true }),
    }
  }

  /** No new sandbox can get it from the first moment on; those that have it keep it for as long as an execution may last. */
  async remove(hash: LayerHash): Promise<void> {
    this.#present.delete(hash)
    const aside = join(this.#folder, `.removed-${randomName(16)}`)
    try {
      await rename(join(this.#folder, hash), aside)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
      throw error
    }
    this.#removed.push(aside)
    this.#clock.after(REMOVED_STAY_MS, () => void this.#erase(aside))
    const [oldest] = this.#removed
    if (this.#removed.length > MOST_REMOVED && oldest !== undefined) await this.#erase(oldest)
  }

  /** What cannot be erased now goes at the next start. */
  async #erase(aside: string): Promise<void> {
    const at = this.#removed.indexOf(aside)
    if (at === -1) return
    this.#removed.splice(at, 1)
    await rm(aside, { recursive: true, force: true }).catch(() => {})
  }

  async #keep(folder: string, hash: LayerHash, manifest: Manifest): Promise<void> {
    await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, {
      mode: 0o644,
      flag: 'wx',
    })
    // One request for the file system: asking for each of some ten thousand files takes minutes.
    await promisify(execFile)('sync', ['-f', folder])
    await rename(folder, join(this.#folder, hash))
    const parent = await open(this.#folder, 'r')
    await parent.sync().finally(() => parent.close())
    this.#present.add(hash)
  }
}
