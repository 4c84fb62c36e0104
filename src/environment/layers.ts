import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KeyedLock } from '../blobs/keyed-lock.ts'
import type { Environment } from '../model/environment.ts'
import type { LayerHash } from '../model/ids.ts'
import { type BuildParts, buildLayer } from './build.ts'
import { BuildLog } from './build-log.ts'
import { BuildTurns } from './build-turns.ts'
import type { Manifest } from './manifest.ts'
import { packageSetOf } from './packages.ts'

interface Build {
  readonly done: Promise<Manifest>
  readonly log: BuildLog
  readonly stop: AbortController
}

/** Layers by hash: each is built by one build however many want it, and removed only when nobody does. */
export class Layers {
  readonly #parts: BuildParts
  readonly #turns: BuildTurns
  readonly #builds = new Map<LayerHash, Build>()
  /** A layer is never built and removed at the same time. */
  readonly #lock = new KeyedLock()
  #closed: Error | undefined

  constructor(parts: BuildParts) {
    this.#parts = parts
    this.#turns = new BuildTurns(parts.settings.buildsAtOnce, parts.settings.buildsWaiting)
  }

  async open(needed: ReadonlySet<LayerHash>): Promise<void> {
    const { layers, settings } = this.#parts
    await layers.open(needed)
    await mkdir(settings.logsFolder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(settings.logsFolder)) {
      // A name that is no hash is in no set of hashes.
      const orphaned = !needed.has(name.replace(/\.log$/, '') as LayerHash)
      const old = orphaned && /^[0-9a-f]{64}\.log$/.test(name)
      if (old) await rm(join(settings.logsFolder, name), { force: true })
    }
  }

  /** The layer of this environment, made if it is not there. */
  build(environment: Environment): Promise<Manifest> {
    const hash = environment.specHash
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const known = this.#builds.get(hash)
    if (known !== undefined && !known.stop.signal.aborted) return known.done
    const log = new BuildLog()
    const stop = new AbortController()
    const done = this.#lock
      .run(hash, () => this.#make(environment, log, stop.signal))
      .finally(() => {
        if (this.#builds.get(hash)?.log === log) this.#builds.delete(hash)
      })
    this.#builds.set(hash, { done, log, stop })
    return done
  }

  /** Ends its build and removes the layer, if it is not needed any more when all before has been done. */
  async release(hash: LayerHash, unneeded: () => Promise<boolean>, reason: Error): Promise<void> {
    if (!(await unneeded())) return
    this.#builds.get(hash)?.stop.abort(reason)
    await this.#lock.run(hash, async () => {
      if (!(await unneeded())) return
      await this.#parts.layers.remove(hash)
      await rm(this.#logPath(hash), { force: true })
    })
  }

  async *log(hash: LayerHash, signal?: AbortSignal): AsyncGenerator<string> {
    const running = this.#builds.get(hash)
    if (running !== undefined) return yield* running.log.follow(signal)
    yield await this.#storedLog(hash)
  }

  /** Ends every build, and any that is asked for later. */
  close(reason: Error): void {
    this.#closed = reason
    for (const { stop } of this.#builds.values()) stop.abort(reason)
  }

  async idle(): Promise<void> {
    await Promise.allSettled([...this.#builds.values()].map(({ done }) => done))
  }

  async #make(environment: Environment, log: BuildLog, signal: AbortSignal): Promise<Manifest> {
    const hash = environment.specHash
    const there = await this.#parts.layers.manifest(hash)
    if (there !== undefined) {
      log.write(await this.#storedLog(hash))
      log.close()
      return there
    }
    await this.#parts.layers.remove(hash)
    try {
      const set = packageSetOf(environment.spec)
      const build = (): Promise<Manifest> => buildLayer(this.#parts, set, hash, log, signal)
      const manifest = await this.#turns.run(environment.tenantId, signal, build)
      log.write(`ready: ${manifest.entries} files and folders\n`)
      return manifest
    } catch (error) {
      log.write(`failed: ${error instanceof Error ? error.message : String(error)}\n`)
      throw error
    } finally {
      log.close()
      await writeFile(this.#logPath(hash), log.text, { mode: 0o600 }).catch((error) =>
        this.#parts.log.warn('a build log could not be kept', { hash, error }),
      )
    }
  }

  #storedLog(hash: LayerHash): Promise<string> {
    return readFile(this.#logPath(hash), 'utf8').catch(() => '')
  }

  #logPath(hash: LayerHash): string {
    return join(this.#parts.settings.logsFolder, `${hash}.log`)
  }
}
