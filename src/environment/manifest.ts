import type { TreePart } from '../sandbox/driver.ts'
import type { PackageSet } from './packages.ts'

export interface InstalledPackage {
  readonly name: string
  readonly version: string
}

export interface Installed {
  readonly python: readonly InstalledPackage[]
  readonly node: readonly InstalledPackage[]
}

/** What a layer was made from and what came of it; executions can read it at /opt/env/manifest.json. */
export interface Manifest {
  readonly format: 1
  readonly requested: PackageSet
  readonly installed: Installed
  readonly entries: number
  readonly bytes: number
  readonly builtAt: string
}

/** Of a file that was written here; undefined if it is not what it was. */
export function manifestFrom(text: string): Manifest | undefined {
  try {
    const manifest: Manifest = JSON.parse(text)
    return manifest.format === 1 ? manifest : undefined
  } catch {
    return undefined
  }
}

const NODE_LOCK = 'node/node_modules/.package-lock.json'
const MOST_LOCK_BYTES = 8 * 1024 ** 2
const MOST_INSTALLED = 5000
const SOUND = /^[@A-Za-z0-9_.+!/~-]{1,214}$/

/** Watches a tree go by and learns which versions were installed: what the packages say themselves, for people to read. */
export class InstalledWatch {
  readonly #root: string
  readonly #python: InstalledPackage[] = []
  #lock: Buffer[] | undefined
  #lockBytes = 0
  #reading = false

  constructor(root: string) {
    this.#root = root
  }

  see(part: TreePart): void {
    if (part.kind === 'content') {
      if (this.#reading) this.#keep(part.chunk)
      return
    }
    const path = part.path.slice(this.#root.length + 1)
    this.#reading = part.kind === 'file' && path === NODE_LOCK
    if (this.#reading) this.#lock = []
    const [, name, version] = /^python\/([^/-]+)-([^/-]+)\.dist-info$/.exec(path) ?? []
    if (part.kind === 'folder' && name !== undefined && version !== undefined)
      add(this.#python, name, version)
  }

  installed(): Installed {
    return { python: byName(this.#python), node: byName(this.#fromLock()) }
  }

  #keep(chunk: Buffer): void {
    this.#lockBytes += chunk.length
    if (this.#lockBytes > MOST_LOCK_BYTES) this.#lock = undefined
    this.#lock?.push(chunk)
  }

  #fromLock(): InstalledPackage[] {
    const found: InstalledPackage[] = []
    if (this.#lock === undefined) return found
    try {
      const lock: unknown = JSON.parse(Buffer.concat(this.#lock).toString('utf8'))
      for (const [path, entry] of Object.entries(field(lock, 'packages') ?? {})) {
        const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
        const version = field(entry, 'version')
        if (path.includes('node_modules/') && typeof version === 'string') add(found, name, version)
      }
    } catch {
      // A package may have overwritten it: then the layer is usable and its list is empty.
    }
    return found
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

function add(list: InstalledPackage[], name: string, version: string): void {
  if (list.length < MOST_INSTALLED && SOUND.test(name) && SOUND.test(version)) list.push({ name, version })
}

function byName(list: readonly InstalledPackage[]): InstalledPackage[] {
  return list.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
