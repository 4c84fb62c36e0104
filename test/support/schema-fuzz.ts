/** Values made from a JSON Schema, then spoilt: mostly plausible, so that they get past the first check. */
import type { JsonObject, JsonValue } from './client.ts'
import type { Seeded } from './seeded.ts'

const strangeStrings = [
  '',
  ' ',
  '\u0000',
  'a'.repeat(70_000),
  '../../etc/passwd',
  '🌱',
  '{{7*7}}',
  "';--",
  '\ud800',
  '-1',
  'true',
]
const strangeNumbers = [0, -1, 1, 0.5, -0.1, 2 ** 31, 2 ** 53, 1e308, -1e308, Number.MIN_VALUE, 65_536]

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function alternatives(schema: JsonObject): JsonObject[] {
  for (const key of ['oneOf', 'anyOf']) {
    const list = schema[key]
    if (Array.isArray(list)) return list.filter(isObject)
  }
  return []
}

function objectFor(random: Seeded, schema: JsonObject, depth: number): JsonObject {
  const made: JsonObject = {}
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  for (const [name, property] of Object.entries(properties)) {
    if (!isObject(property)) continue
    if (required.includes(name) || random.chance(0.3)) made[name] = valueFor(random, property, depth + 1)
  }
  const extra = schema['additionalProperties']
  if (isObject(extra)) {
    for (let count = random.int(0, 2); count > 0; count--) {
      made[random.chance(0.7) ? `name${count}` : random.pick(strangeStrings)] = valueFor(
        random,
        extra,
        depth + 1,
      )
    }
  }
  return made
}

/** A value that the schema probably accepts. */
export function valueFor(random: Seeded, schema: JsonObject, depth = 0): JsonValue {
  if (depth > 8) return null
  if (Array.isArray(schema['enum'])) return random.pick(schema['enum'])
  if (schema['const'] !== undefined) return schema['const']
  const options = alternatives(schema)
  if (options.length > 0) return valueFor(random, random.pick(options), depth + 1)
  const type = Array.isArray(schema['type']) ? random.pick(schema['type']) : schema['type']
  const low = typeof schema['minimum'] === 'number' ? schema['minimum'] : 0
  switch (type) {
    case 'object':
      return objectFor(random, schema, depth)
    case 'array': {
      const items = isObject(schema['items']) ? schema['items'] : {}
      return Array.from({ length: random.int(0, 3) }, () => valueFor(random, items, depth + 1))
    }
    case 'integer':
    case 'number':
      return random.chance(0.8) ? low + random.int(0, 200) : random.pick(strangeNumbers)
    case 'boolean':
      return random.chance(0.5)
    case 'null':
      return null
    default:
      return random.chance(0.7)
        ? random.pick(['true', 'print(1)', 'x', 'a/b', 'exit 3'])
        : random.pick(strangeStrings)
  }
}

function strange(random: Seeded): JsonValue {
  return random.pick<JsonValue>([
    null,
    true,
    [],
    {},
    '',
    0,
    [[[[]]]],
    { a: { b: [] } },
    random.pick(strangeStrings),
    random.pick(strangeNumbers),
  ])
}

/** Spoils a value in a few places: other types, extra keys, missing keys. */
export function mutate(random: Seeded, value: JsonValue): JsonValue {
  if (random.chance(0.05)) return strange(random)
  if (Array.isArray(value)) return value.map((item) => mutate(random, item))
  if (!isObject(value)) return random.chance(0.1) ? strange(random) : value
  const spoilt: JsonObject = {}
  for (const [key, item] of Object.entries(value)) {
    if (random.chance(0.05)) continue
    spoilt[key] = mutate(random, item)
  }
  if (random.chance(0.15)) spoilt[random.pick(['extra', '__proto__x', 'toString', ''])] = strange(random)
  return spoilt
}
