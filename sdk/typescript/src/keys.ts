// API keys of the caller's tenant. The secret of a key is in the answer that creates it and nowhere after.
import type { Key, KeyList, KeyRequest, NewKey } from './generated/types.ts'
import { sendForJson } from './http.ts'
import type { Settings } from './options.ts'

export class Keys {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  create(key: KeyRequest): Promise<NewKey> {
    return sendForJson(this.#settings, { method: 'POST', path: '/api/v1/keys', body: key, repeatable: false })
  }

  list(): Promise<KeyList> {
    return sendForJson(this.#settings, { method: 'GET', path: '/api/v1/keys', repeatable: true })
  }

  /** From now on the key opens nothing. It stays in the list, marked as revoked. */
  revoke(id: string): Promise<Key> {
    const path = `/api/v1/keys/${encodeURIComponent(id)}`
    return sendForJson(this.#settings, { method: 'DELETE', path, repeatable: true })
  }
}
