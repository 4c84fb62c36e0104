import { randomFillSync } from 'node:crypto'

/** Crockford's base 32 in lower case: sorts like the numbers it spells, and has no letters that read as digits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const TIME_CHARS = 10
const COUNTER_CHARS = 3
const RANDOM_CHARS = 13
const COUNTER_LIMIT = 32 ** COUNTER_CHARS

export const ID_BODY_CHARS: number = TIME_CHARS + COUNTER_CHARS + RANDOM_CHARS
const ID_PATTERN = new RegExp(`^([a-z]+)_([${ALPHABET}]{${ID_BODY_CHARS}})$`)

/** Random bytes are taken from the kernel by the block: one call for hundreds of ids. */
const pool = Buffer.allocUnsafe(4096)
let poolUsed = pool.length

let lastMs = 0
let counter = 0

/**
 * `prefix_` and 26 characters: time in ms, a counter within the ms, 65 random bits. Ids of one process sort strictly in
 * the order they were made, also when the clock steps back.
 */
export function sortableId(prefix: string, nowMs: number): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    counter = 0
  } else if (++counter === COUNTER_LIMIT) {
    lastMs++
    counter = 0
  }
  return `${prefix}_${base32(lastMs, TIME_CHARS)}${base32(counter, COUNTER_CHARS)}${randomName(RANDOM_CHARS)}`
}

/** `length` characters of 5 random bits each, from [0-9a-z]. */
export function randomName(length: number): string {
  if (poolUsed + length > pool.length) {
    randomFillSync(pool)
    poolUsed = 0
  }
  let text = ''
  for (const end = poolUsed + length; poolUsed < end; poolUsed++) {
    text += ALPHABET.charAt((pool[poolUsed] ?? 0) & 31)
    // What has been handed out is not kept: a memory dump shows no id that is yet to come or was given as a name.
    pool[poolUsed] = 0
  }
  return text
}

/** Whether `text` has the shape `sortableId(prefix, …)` gives. */
export function isSortableId(text: string, prefix: string): boolean {
  return ID_PATTERN.exec(text)?.[1] === prefix
}

/** The time an id carries. */
export function idTimeMs(id: string): number {
  const body = id.slice(id.indexOf('_') + 1, id.indexOf('_') + 1 + TIME_CHARS)
  let value = 0
  for (const char of body) value = value * 32 + ALPHABET.indexOf(char)
  return value
}

function base32(value: number, chars: number): string {
  let text = ''
  let rest = value
  for (let i = 0; i < chars; i++) {
    text = ALPHABET.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}
