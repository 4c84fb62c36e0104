import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { KeyId, TenantId } from './ids.ts'

/** execute: run code and read one's own executions · manage: also environments and keys of the tenant · admin: tenants too. */
export const SCOPES = ['execute', 'manage', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** A key as it is kept: the secret itself exists only in the answer that created it. */
export interface ApiKey {
  readonly id: KeyId
  readonly tenantId: TenantId
  readonly name: string
  /** The first characters of the secret, enough to recognise it in a list. */
  readonly prefix: string
  readonly scopes: readonly Scope[]
  /** Requests per minute; null is no limit. */
  readonly ratePerMinute: number | null
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  /** To about a minute. */
  readonly lastUsedAt: number | null
}

/** A wider scope includes the narrower ones. */
const INCLUDES: Readonly<Record<Scope, readonly Scope[]>> = {
  execute: ['execute'],
  manage: ['execute', 'manage'],
  admin: ['execute', 'manage', 'admin'],
}

export function allows(key: Pick<ApiKey, 'scopes'>, needed: Scope): boolean {
  return key.scopes.some((scope) => INCLUDES[scope].includes(needed))
}

export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text)
}

export type KeyState = 'active' | 'expired' | 'revoked'

export function keyState(key: Pick<ApiKey, 'expiresAt' | 'revokedAt'>, nowMs: number): KeyState {
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= nowMs) return 'expired'
  return 'active'
}

const PREFIX = 'clo_'
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 62^43 is just above 2^256. */
const SECRET_CHARS = 43
const CHECK_CHARS = 6
const SHOWN_CHARS = PREFIX.length + 6
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${SECRET_CHARS + CHECK_CHARS}}$`)

/** `clo_`, 256 random bits in base 62, and a checksum over them: a mistyped or made-up key is refused without a look-up. */
export function newSecret(): string {
  const random = base62(BigInt(`0x${randomBytes(32).toString('hex')}`), SECRET_CHARS)
  return PREFIX + random + checksum(random)
}

export function isSecret(text: string): boolean {
  if (!SHAPE.test(text)) return false
  const random = text.slice(PREFIX.length, -CHECK_CHARS)
  return checksum(random) === text.slice(-CHECK_CHARS)
}

/** What is stored in place of the secret. A fast hash is enough: there are 256 bits to guess. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

export function shownPrefix(secret: string): string {
  return secret.slice(0, SHOWN_CHARS)
}

function checksum(random: string): string {
  return base62(BigInt(crc32(random)), CHECK_CHARS)
}

function base62(value: bigint, chars: number): string {
  let text = ''
  for (let rest = value; text.length < chars; rest /= 62n) text = DIGITS.charAt(Number(rest % 62n)) + text
  return text
}
