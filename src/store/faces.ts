/*
 * store: what must outlive the server, in SQLite on a thread of its own, behind one interface.
 *
 * Guarantees: a promise that says "durable" resolves only after the commit is on disk; nothing here blocks the caller's
 * thread for a disk; every read sees every write made before it through the same Store; a record is reached only with its
 * tenant's id, except by the functions of `Platform`, which serve the server itself. After kill -9 nothing durable is lost
 * and no appended record either (the journal is replayed at open); after a power cut only appended records of the last
 * moments can be missing.
 * Does not do: large bytes (blobs), deciding (which status may follow, who may see what), being shared by two servers.
 */
import type { ApiKey, Scope } from '../model/api-key.ts'
import type { Environment } from '../model/environment.ts'
import type { ExecutionRecord } from '../model/execution.ts'
import type { ExecutionStatus } from '../model/execution-status.ts'
import type {
  BlobHash,
  EnvironmentId,
  ExecutionId,
  KeyId,
  LayerHash,
  ServerId,
  TenantId,
} from '../model/ids.ts'
import type { Tenant } from '../model/tenant.ts'

export interface Store {
  readonly tenants: Tenants
  readonly keys: Keys
  readonly executions: Executions
  readonly environments: Environments
  readonly results: ResultCache
  readonly idempotency: Idempotency
  readonly platform: Platform
  /** Settles only if the store can no longer work (disk, thread): the server has to end. Never resolves otherwise. */
  readonly broken: Promise<Error>
  /** Everything given so far is on disk. */
  flush(): Promise<void>
  stats(): StoreStats
  /** Flushes, then ends the thread. Calls made after it are refused. */
  close(): Promise<void>
}

export interface Tenants {
  /** Durable. `conflict` when the name is taken. */
  create(name: string): Promise<Tenant>
  get(id: TenantId): Promise<Tenant | undefined>
  byName(name: string): Promise<Tenant | undefined>
  list(): Promise<Tenant[]>
}

export interface NewKey {
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly ratePerMinute: number | null
  readonly expiresAt: number | null
}

export interface Keys {
  /** Durable. The secret is in this answer and nowhere else, ever. */
  create(tenantId: TenantId, key: NewKey): Promise<{ readonly key: ApiKey; readonly secret: string }>
  /**
   * The key of this secret; throws or rejects with `unauthorized`, `key_expired`, `key_revoked`. Keys in use are answered
   * from memory at once; a revocation holds for every check made after it.
   */
  verify(secret: string): ApiKey | Promise<ApiKey>
  get(tenantId: TenantId, id: KeyId): Promise<ApiKey | undefined>
  list(tenantId: TenantId): Promise<ApiKey[]>
  /** Durable. The revoked key, or undefined if the tenant has no such key; revoking twice keeps the first time. */
  revoke(tenantId: TenantId, id: KeyId): Promise<ApiKey | undefined>
}

/** Everything a listing shows; `cursor` of one page starts the next, null is the end. */
export interface Page<T> {
  readonly items: T[]
  readonly cursor: string | null
}

export interface ListExecutions {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly status?: ExecutionStatus | undefined
}

export interface IdempotencyClaim {
  readonly key: string
  /** Hash of the request's content: the same key with another one is `idempotency_conflict`. */
  readonly fingerprint: string
  readonly expiresAt: number
}

export type Accepted =
  | { readonly outcome: 'accepted' }
  /** The idempotency key was used before, with the same request: this is its execution. */
  | { readonly outcome: 'repeated'; readonly executionId: ExecutionId }

export interface Executions {
  /** Durable, and in one step with the claim of the idempotency key: whoever was answered is on disk. */
  accept(record: ExecutionRecord, claim?: IdempotencyClaim): Promise<Accepted>
  /**
   * Writes to the journal before it returns and to the database soon after; a few µs, never an fsync. An older revision
   * never replaces a newer one.
   */
  append(record: ExecutionRecord): void
  /** Durable. `conflict` if the stored record is not older than this one, or was deleted. */
  commit(record: ExecutionRecord): Promise<void>
  get(tenantId: TenantId, id: ExecutionId): Promise<ExecutionRecord | undefined>
  /** Newest first. A cursor that was not made here is `invalid_request`. */
  list(tenantId: TenantId, query: ListExecutions): Promise<Page<ExecutionRecord>>
  /** Durable. False if there is none; `execution_still_running` if it has not ended. */
  delete(tenantId: TenantId, id: ExecutionId): Promise<boolean>
}

export interface Environments {
  /** Durable. `conflict` when the tenant has one of that name. */
  create(environment: Environment): Promise<void>
  /** Durable compare-and-set: `conflict` unless the stored revision is the one before. */
  update(environment: Environment): Promise<void>
  get(tenantId: TenantId, id: EnvironmentId): Promise<Environment | undefined>
  byName(tenantId: TenantId, name: string): Promise<Environment | undefined>
  /** The newest one built from this spec hash, named or inline. */
  bySpec(tenantId: TenantId, specHash: LayerHash): Promise<Environment | undefined>
  /** By name, then inline ones by age. */
  list(tenantId: TenantId): Promise<Environment[]>
  /** Durable. False if there is none. */
  delete(tenantId: TenantId, id: EnvironmentId): Promise<boolean>
}

/** An earlier result under a hash of everything that decided it (code, input, environment, limits). */
export interface ResultCache {
  get(tenantId: TenantId, key: string): Promise<ExecutionRecord | undefined>
  /** Durable. Replaces what was there. */
  put(tenantId: TenantId, key: string, record: ExecutionRecord, expiresAt: number): Promise<void>
}

export interface Idempotency {
  /** The execution a key belongs to; for looking up without claiming. `idempotency_conflict` for another fingerprint. */
  find(tenantId: TenantId, key: string, fingerprint: string): Promise<ExecutionId | undefined>
}

export interface RetentionLimits {
  readonly maxAgeMs: number
  /** For each tenant. */
  readonly maxCount: number
}

export interface Swept {
  readonly executions: number
  readonly results: number
  readonly idempotencyKeys: number
  /** Blobs that no record needs any more: candidates for `Blobs.gc`. */
  readonly freed: BlobHash[]
}

/** For the server itself: the only functions that look across tenants. */
export interface Platform {
  /** Executions that have not ended and belong to another start of the server, oldest first. */
  unfinished(currentServer: ServerId): Promise<ExecutionRecord[]>
  /** Environments that were being built when a server ended. */
  unbuilt(): Promise<Environment[]>
  /** Layers that a record still needs. */
  layers(): Promise<LayerHash[]>
  /** Which of these blobs a record still needs: the question `Blobs.gc` asks before it deletes. */
  referenced(hashes: readonly BlobHash[]): Promise<Set<BlobHash>>
  /** Removes ended executions beyond the limits, expired results and idempotency keys, a small batch at a time. */
  sweep(limits: RetentionLimits): Promise<Swept>
  getSetting(name: string): Promise<string | undefined>
  /** Durable. */
  setSetting(name: string, value: string): Promise<void>
}

export interface StoreStats {
  /** Journal records that are not in the database yet. */
  readonly pendingRecords: number
  readonly pendingBytes: number
  /** Calls that wait for the thread. */
  readonly waitingCalls: number
  /** Lines of the journal that could not be read at the last open: what a crash tore, or damage. */
  readonly unreadableLines: number
  /** Records taken from the journal at the last open. */
  readonly replayedRecords: number
}
