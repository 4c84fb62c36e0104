import { createHash } from 'node:crypto'
import type { ExecutionRequest } from './request.ts'

/**
 * A hash of everything in a request that decides its outcome; `context` adds what decides it beside the request (tenant,
 * base tree, layers). Equal requests hash equal whatever the order of their keys.
 */
export function fingerprint(
  request: ExecutionRequest,
  context: Readonly<Record<string, unknown>> = {},
): string {
  const { idempotencyKey: _key, resultTtlMs: _ttl, ...deciding } = request
  const hash = createHash('sha256')
  feed(hash, { context, ...deciding })
  return hash.digest('hex')
}

type Hash = ReturnType<typeof createHash>

/** Canonical and unambiguous: every value carries its type and length. */
function feed(hash: Hash, value: unknown): void {
  if (Buffer.isBuffer(value)) {
    hash.update(`b${value.length}:`).update(value)
  } else if (typeof value === 'string') {
    hash.update(`s${Buffer.byteLength(value)}:`).update(value)
  } else if (Array.isArray(value)) {
    hash.update(`a${value.length}:`)
    for (const one of value) feed(hash, one)
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    hash.update(`o${entries.length}:`)
    for (const [name, one] of entries) {
      feed(hash, name)
      feed(hash, one)
    }
  } else {
    hash.update(`p${String(value)};`)
  }
}
