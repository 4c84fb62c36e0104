// Sets of packages, built once into a read-only layer and found installed by every execution that names them.
import type { Environment, EnvironmentList, EnvironmentRequest } from './generated/types.ts'
import { pause, send, sendForJson } from './http.ts'
import type { Settings } from './options.ts'

const firstLookMs = 200
const longestLookMs = 2000

export class Environments {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Registers it and begins to build; `wait` until its status is `ready` or `failed`. */
  create(environment: EnvironmentRequest): Promise<Environment> {
    const path = '/api/v1/environments'
    return sendForJson(this.#settings, { method: 'POST', path, body: environment, repeatable: false })
  }

  list(): Promise<EnvironmentList> {
    return sendForJson(this.#settings, { method: 'GET', path: '/api/v1/environments', repeatable: true })
  }

  get(name: string, signal?: AbortSignal): Promise<Environment> {
    return sendForJson(this.#settings, { method: 'GET', path: pathOf(name), repeatable: true, signal })
  }

  async delete(name: string): Promise<void> {
    await send(this.#settings, { method: 'DELETE', path: pathOf(name), repeatable: true })
  }

  /** Waits for the end of the build, however it ends. */
  async wait(name: string, signal?: AbortSignal): Promise<Environment> {
    for (let waitMs = firstLookMs; ; waitMs = Math.min(longestLookMs, waitMs * 1.5)) {
      const environment = await this.get(name, signal)
      if (environment.status === 'ready' || environment.status === 'failed') return environment
      await pause(waitMs, signal)
    }
  }
}

function pathOf(name: string): string {
  return `/api/v1/environments/${encodeURIComponent(name)}`
}
