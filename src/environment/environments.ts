/*
 * environment: sets of pip and npm packages, built once per content into read-only layers that executions see at /opt/env.
 *
 * Guarantees: a set is built at most once per tenant, base tree and content, however many ask at the same moment; packages
 * are installed inside a sandbox, whose output is treated as hostile: what comes out is only folders, plain files and links
 * that stay inside, below ceilings of count and size, and a layer appears complete and durable or not at all. Tenants never
 * share a layer. Every failed build says what stood in the way and what would help.
 * Does not: change a layer once made, run packages' install scripts unless asked to, or decide who may use a name.
 */
import { type Environment, type EnvironmentSpec, transitionEnvironment } from '../model/environment.ts'
import { asClocheError, ClocheError, fail, isClocheError } from '../model/errors.ts'
import {
  type EnvironmentId,
  isEnvironmentId,
  type LayerHash,
  newEnvironmentId,
  type TenantId,
} from '../model/ids.ts'
import type { Driver } from '../sandbox/driver.ts'
import { abortable } from '../std/abort.ts'
import type { Clock } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Counter, Metrics } from '../std/metrics.ts'
import type { Store } from '../store/faces.ts'
import type { IndexEgress } from './build.ts'
import { BuildFailed } from './explain.ts'
import { LayerFolder } from './layer-folder.ts'
import { Layers } from './layers.ts'
import type { Manifest } from './manifest.ts'
import { indexUrl } from './package-sources.ts'
import { layerHash, packageSetOf } from './packages.ts'
import type { EnvironmentSettings } from './settings.ts'

export type EnvironmentChoice = { readonly name: string } | { readonly spec: EnvironmentSpec }

/** What an execution needs of an environment. */
export interface FittedEnvironment {
  readonly id: EnvironmentId
  readonly layer: LayerHash
}

export interface EnvironmentParts {
  readonly settings: EnvironmentSettings
  readonly store: Pick<Store, 'environments' | 'platform'>
  readonly driver: Pick<Driver, 'create'>
  readonly egress: IndexEgress
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/

export class Environments {
  readonly #parts: EnvironmentParts
  readonly #layers: Layers
  readonly #folder: LayerFolder
  readonly #index: readonly [pip: string | null, npm: string | null]
  /** Records on their way to ready or failed. */
  readonly #settling = new Map<EnvironmentId, Promise<Environment>>()
  /** Inline sets whose record is being looked for or made. */
  readonly #finding = new Map<LayerHash, Promise<EnvironmentId>>()
  readonly #outcomes: Counter

  /** Throws for index URLs that are none. */
  constructor(parts: EnvironmentParts) {
    const { settings, metrics } = parts
    const pip =
      settings.pipIndexUrl === null ? null : indexUrl(settings.pipIndexUrl, 'environments.pipIndexUrl')
    const npm =
      settings.npmRegistry === null ? null : indexUrl(settings.npmRegistry, 'environments.npmRegistry')
    this.#parts = parts
    this.#folder = new LayerFolder(settings.layersFolder, parts.clock)
    this.#layers = new Layers({ ...parts, layers: this.#folder, indexes: { pip, npm } })
    this.#index = [settings.pipIndexUrl, settings.npmRegistry]
    this.#outcomes = metrics.counter(
      'cloche_environment_builds_total',
      'Environment builds that ended, by outcome.',
    )
    metrics.gauge(
      'cloche_environment_builds',
      'Environments being built or waiting for it.',
      () => this.#settling.size,
    )
  }

  /** Clears away what an earlier start left half done and builds again what it did not finish. Before anything else. */
  async start(): Promise<void> {
    const { platform, environments } = this.#parts.store
    const unbuilt = await platform.unbuilt()
    await this.#layers.open(new Set([...(await platform.layers()), ...unbuilt.map((one) => one.specHash)]))
    for (const environment of unbuilt) {
      let pending = environment
      if (environment.status === 'building') {
        pending = transitionEnvironment(environment, 'pending', this.#parts.clock.now())
        await environments.update(pending)
      }
      // Inline ones are built when an execution comes back for them.
      if (pending.name !== null) this.#settleLater(pending)
    }
  }

  /**
   * A named one: on record durably, its build begun. The same set under the same name again is the same environment, built
   * anew if that failed. `conflict` when the name stands for another set, `quota_exceeded`.
   */
  async create(tenantId: TenantId, name: string, spec: EnvironmentSpec): Promise<Environment> {
    if (!NAME.test(name) || isEnvironmentId(name))
      fail('invalid_request', {
        problems: [
          { path: 'name', message: 'must be 1 to 63 letters, digits, dots, dashes and underscores' },
        ],
      })
    const fresh = this.#record(tenantId, name, spec, '')
    const there = await this.#parts.store.environments.byName(tenantId, name)
    if (there !== undefined) return this.#again(there, fresh)
    await this.#requireRoom(tenantId)
    await this.#parts.store.environments.create(fresh)
    this.#settleLater(fresh)
    return fresh
  }

  list(tenantId: TenantId): Promise<Environment[]> {
    return this.#parts.store.environments.list(tenantId)
  }

  /** By name, or by id, which inline ones have only. Fails with `environment_unknown`. */
  async get(tenantId: TenantId, nameOrId: string): Promise<Environment> {
    const { environments } = this.#parts.store
    const found = isEnvironmentId(nameOrId)
      ? await environments.get(tenantId, nameOrId)
      : await environments.byName(tenantId, nameOrId)
    return found ?? fail('environment_unknown', { name: nameOrId })
  }

  /** Which packages its layer has, in which versions; undefined while there is none. */
  async manifest(tenantId: TenantId, nameOrId: string): Promise<Manifest | undefined> {
    const { layer } = await this.get(tenantId, nameOrId)
    return layer === null ? undefined : this.#folder.manifest(layer)
  }

  /** What its build said so far or at last, and what it says until it ends. */
  async *buildLog(tenantId: TenantId, nameOrId: string, signal?: AbortSignal): AsyncGenerator<string> {
    const { specHash } = await this.get(tenantId, nameOrId)
    yield* this.#layers.log(specHash, signal)
  }

  /** False if there is none. Its layer goes when no other record needs it, a build under way ends. */
  async delete(tenantId: TenantId, nameOrId: string): Promise<boolean> {
    const { environments } = this.#parts.store
    const found = isEnvironmentId(nameOrId)
      ? await environments.get(tenantId, nameOrId)
      : await environments.byName(tenantId, nameOrId)
    if (found === undefined || !(await environments.delete(tenantId, found.id))) return false
    const unknown = new ClocheError('environment_unknown', { name: nameOrId })
    await this.#layers.release(found.specHash, () => this.#unneeded(found), unknown)
    return true
  }

  /** Fails with `environment_unknown`; for an inline one it only makes sure that there is a record. */
  async find(tenantId: TenantId, choice: EnvironmentChoice): Promise<EnvironmentId> {
    if ('name' in choice) return (await this.get(tenantId, choice.name)).id
    const fresh = this.#record(tenantId, null, choice.spec, 'environment.')
    const finding = this.#finding.get(fresh.specHash) ?? this.#findInline(fresh)
    this.#finding.set(fresh.specHash, finding)
    return finding.finally(() => this.#finding.delete(fresh.specHash))
  }

  /**
   * Waits while an inline one is built. Fails with `environment_not_ready` (a named one that is being built),
   * `environment_build_failed`, or what stood in the platform's way.
   */
  async fit(tenantId: TenantId, id: EnvironmentId, signal: AbortSignal): Promise<FittedEnvironment> {
    const found = await this.get(tenantId, id)
    const { name, status, specHash } = found
    if (status === 'ready') {
      // A layer that somebody removed by hand is made again.
      if (!this.#folder.has(specHash)) await abortable(this.#layers.build(found), signal)
      return { id, layer: specHash }
    }
    if (status === 'failed' && (name !== null || !this.#mayRetry(found))) throw buildFailed(found)
    const settling = this.#settle(found)
    if (name !== null) {
      settling.catch(() => {})
      fail('environment_not_ready', { name, status })
    }
    const settled = await abortable(settling, signal)
    if (settled.status !== 'ready') throw buildFailed(settled)
    return { id, layer: specHash }
  }

  /** Ends every build; what was not finished is begun again by the next start. */
  async close(): Promise<void> {
    this.#layers.close(new ClocheError('shutting_down', {}))
    await Promise.allSettled(this.#settling.values())
    await this.#layers.idle()
  }

  #record(tenantId: TenantId, name: string | null, spec: EnvironmentSpec, at: string): Environment {
    const set = packageSetOf(spec, at, this.#parts.settings.allowInstallScripts)
    const now = this.#parts.clock.now()
    return {
      id: newEnvironmentId(now),
      tenantId,
      name,
      spec: {
        ...(set.python.length === 0 ? {} : { python: { packages: set.python } }),
        ...(set.node.length === 0 ? {} : { node: { packages: set.node } }),
        ...(set.allowInstallScripts ? { allowInstallScripts: true } : {}),
      },
      specHash: layerHash(tenantId, set, this.#parts.settings.base, this.#index),
      status: 'pending',
      revision: 1,
      layer: null,
      layerBytes: null,
      buildMs: null,
      error: null,
      createdAt: now,
      updatedAt: now,
    }
  }

  #again(there: Environment, fresh: Environment): Environment {
    if (there.specHash !== fresh.specHash)
      fail('conflict', {
        what: `environment name "${there.name}"`,
        reason: 'is taken by another set of packages',
      })
    if (there.status !== 'ready') this.#settleLater(there)
    return there
  }

  async #findInline(fresh: Environment): Promise<EnvironmentId> {
    const there = await this.#parts.store.environments.bySpec(fresh.tenantId, fresh.specHash)
    // A named one answers at once or not at all: whoever gave packages waits for them.
    if (there !== undefined && (there.name === null || there.status === 'ready')) return there.id
    await this.#requireRoom(fresh.tenantId)
    await this.#parts.store.environments.create(fresh)
    return fresh.id
  }

  async #requireRoom(tenantId: TenantId): Promise<void> {
    const limit = this.#parts.settings.perTenant
    if ((await this.list(tenantId)).length >= limit) fail('quota_exceeded', { what: 'environments', limit })
  }

  #mayRetry({ updatedAt }: Environment): boolean {
    return this.#parts.clock.now() - updatedAt >= this.#parts.settings.retryAfterMs
  }

  async #unneeded({ tenantId, specHash }: Environment): Promise<boolean> {
    return (await this.#parts.store.environments.bySpec(tenantId, specHash)) === undefined
  }

  #settleLater(environment: Environment): void {
    this.#settle(environment).catch((error) => {
      if (!isClocheError(error, 'shutting_down') && !isClocheError(error, 'environment_unknown'))
        this.#parts.log.error('an environment could not be built', { id: environment.id, error })
    })
  }

  /** Builds it and records how that ended: resolves for ready and failed, rejects for what the platform could not do. */
  #settle(environment: Environment): Promise<Environment> {
    const known = this.#settling.get(environment.id)
    if (known !== undefined) return known
    const settling = this.#carryOut(environment).finally(() => this.#settling.delete(environment.id))
    this.#settling.set(environment.id, settling)
    return settling
  }

  async #carryOut(environment: Environment): Promise<Environment> {
    const { clock } = this.#parts
    const beganMs = clock.monotonic()
    const building = await this.#store(
      transitionEnvironment(environment, 'building', clock.now(), { error: null }),
    )
    try {
      const { bytes } = await this.#layers.build(building)
      const buildMs = Math.round(clock.monotonic() - beganMs)
      const changes = { layer: building.specHash, layerBytes: bytes, buildMs }
      const ready = await this.#store(transitionEnvironment(building, 'ready', clock.now(), changes))
      this.#outcomes.add(1, { outcome: 'ready' })
      return ready
    } catch (error) {
      return this.#failed(building, error, Math.round(clock.monotonic() - beganMs))
    }
  }

  async #failed(building: Environment, error: unknown, buildMs: number): Promise<Environment> {
    const now = this.#parts.clock.now()
    if (error instanceof BuildFailed) {
      const changes = { error: { code: 'environment_build_failed', detail: error.message }, buildMs } as const
      this.#outcomes.add(1, { outcome: 'failed' })
      return this.#store(transitionEnvironment(building, 'failed', now, changes))
    }
    const known = asClocheError(error)
    if (known.code === 'shutting_down' || known.code === 'environment_unknown') throw error
    this.#outcomes.add(1, { outcome: 'error' })
    // Nobody comes back for a named one; an inline one is built for its next execution.
    const detail = known.detail.replace(/\.$/, '')
    await (building.name === null
      ? this.#store(transitionEnvironment(building, 'pending', now))
      : this.#store(
          transitionEnvironment(building, 'failed', now, { error: { code: known.code, detail }, buildMs }),
        ))
    throw error
  }

  /** A record that was deleted meanwhile is unknown to whoever still waits for it. */
  async #store(environment: Environment): Promise<Environment> {
    try {
      await this.#parts.store.environments.update(environment)
    } catch (error) {
      if (!isClocheError(error, 'conflict')) throw error
      throw new ClocheError(
        'environment_unknown',
        { name: environment.name ?? environment.id },
        { cause: error },
      )
    }
    return environment
  }
}

function buildFailed({ id, name, error }: Environment): ClocheError {
  return new ClocheError('environment_build_failed', {
    name: name ?? id,
    reason: error?.detail ?? 'no reason is known',
  })
}
