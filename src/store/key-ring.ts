import { type ApiKey, hashSecret, isSecret, keyState, newSecret, shownPrefix } from '../model/api-key.ts'
import { fail } from '../model/errors.ts'
import { type KeyId, newKeyId, type TenantId } from '../model/ids.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { DatabaseThread } from './database-thread.ts'
import type { Keys, NewKey } from './faces.ts'

const KNOWN_KEYS = 4096
/** `lastUsedAt` is for people: a write for each minute with requests is precise enough. */
const TOUCH_DELAY_MS = 60_000

/** Keys with those in use held in memory, so that checking one costs a hash and no message to the thread. */
export class KeyRing implements Keys {
  readonly #thread: DatabaseThread
  readonly #clock: Clock
  /** By hash of the secret. The one that came first is dropped first; it is read again when it is used. */
  readonly #known = new Map<string, ApiKey>()
  /** Rises with each revocation: what was read before one is not kept after it. */
  #revocations = 0
  readonly #used = new Map<KeyId, number>()
  #touchTimer: Timer | undefined

  constructor(thread: DatabaseThread, clock: Clock) {
    this.#thread = thread
    this.#clock = clock
  }

  async create(tenantId: TenantId, given: NewKey): Promise<{ key: ApiKey; secret: string }> {
    const secret = newSecret()
    const now = this.#clock.now()
    const key: ApiKey = {
      id: newKeyId(now),
      tenantId,
      name: given.name,
      prefix: shownPrefix(secret),
      scopes: given.scopes,
      ratePerMinute: given.ratePerMinute,
      createdAt: now,
      expiresAt: given.expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    }
    await this.#thread.call('createKey', { key, hash: hashSecret(secret) })
    return { key, secret }
  }

  verify(secret: string): ApiKey | Promise<ApiKey> {
    if (!isSecret(secret)) fail('unauthorized', { reason: 'malformed' })
    const hash = hashSecret(secret)
    const known = this.#known.get(hash)
    return known === undefined ? this.#lookUp(hash) : this.#admit(known)
  }

  async get(tenantId: TenantId, id: KeyId): Promise<ApiKey | undefined> {
    const key = await this.#thread.call('getKey', { tenantId, id })
    return key && this.#withLastUse(key)
  }

  async list(tenantId: TenantId): Promise<ApiKey[]> {
    const keys = await this.#thread.call('listKeys', tenantId)
    return keys.map((key) => this.#withLastUse(key))
  }

  async revoke(tenantId: TenantId, id: KeyId): Promise<ApiKey | undefined> {
    const revoked = await this.#thread.call('revokeKey', { tenantId, id, nowMs: this.#clock.now() })
    this.#revocations++
    for (const [hash, key] of this.#known)
      if (key.id === id && key.tenantId === tenantId) this.#known.delete(hash)
    return revoked
  }

  /** Writes the times of last use that are only in memory. */
  async flush(): Promise<void> {
    this.#touchTimer?.cancel()
    this.#touchTimer = undefined
    if (this.#used.size === 0) return
    const uses = [...this.#used].map(([id, atMs]) => ({ id, atMs }))
    this.#used.clear()
    await this.#thread.call('touchKeys', uses)
  }

  async #lookUp(hash: string): Promise<ApiKey> {
    const revocations = this.#revocations
    const key = await this.#thread.call('keyByHash', hash)
    if (key === undefined) return fail('unauthorized', { reason: 'unknown' })
    if (revocations === this.#revocations) this.#remember(hash, key)
    return this.#admit(key)
  }

  #remember(hash: string, key: ApiKey): void {
    const [oldest] = this.#known.keys()
    if (this.#known.size >= KNOWN_KEYS && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(hash, key)
  }

  #admit(key: ApiKey): ApiKey {
    const now = this.#clock.now()
    const state = keyState(key, now)
    if (state === 'revoked') fail('key_revoked', {})
    if (state === 'expired') fail('key_expired', { expiredAt: key.expiresAt ?? now })
    this.#used.set(key.id, now)
    // A missed write loses a time that is shown to people, and the next use sets a newer one.
    this.#touchTimer ??= this.#clock.after(TOUCH_DELAY_MS, () => void this.flush().catch(() => {}))
    return key
  }

  #withLastUse(key: ApiKey): ApiKey {
    return { ...key, lastUsedAt: this.#used.get(key.id) ?? key.lastUsedAt }
  }
}
