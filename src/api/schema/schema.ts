/*
 * schema: the shapes of requests and answers, each written once as a value.
 *
 * From that value come the check (every problem at once, each with its path; unknown keys are problems), the JSON Schema in
 * /openapi.json, and the TypeScript type (`Static`). It covers the part of JSON Schema the API uses and no more.
 *
 * Why not a library: the whole idle server has 80 MB. Measured beside bare node:http (46 MB resident): Fastify + 32 MB,
 * TypeBox with its compiler + 27, Zod Mini + 13, Ajv + 17. This file costs less than half a MB.
 */

import type { Problem } from '../../model/errors.ts'
import { isObject, kindOf, member, nearest, unknownKey } from '../../std/words.ts'

export type JsonSchema = { readonly [key: string]: unknown }

type Check = (value: unknown, path: string, problems: Problem[]) => void

export interface Schema<T> {
  readonly json: JsonSchema
  readonly check: Check
  /** Set by `named`: the component under which OpenAPI lists it. */
  readonly name?: string
  /** Schemas inside it, so that OpenAPI finds the named ones. */
  readonly parts?: readonly Schema<unknown>[]
  /** Carries the type and nothing else. */
  readonly type?: T
}

export type Static<S> = S extends Schema<infer T> ? T : never

/** More problems than anyone reads: a hostile body cannot make the answer long. */
const MOST_PROBLEMS = 50

export function problemsOf(schema: Schema<unknown>, value: unknown): Problem[] {
  const problems: Problem[] = []
  schema.check(value, '', problems)
  return problems
}

/** Whether the value has the shape; what is wrong is added to `problems`. */
export function conforms<T>(schema: Schema<T>, value: unknown, problems: Problem[]): value is T {
  const before = problems.length
  schema.check(value, '', problems)
  return problems.length === before
}

function add(problems: Problem[], path: string, message: string): void {
  if (problems.length < MOST_PROBLEMS) problems.push({ path, message })
}

export interface StringRules {
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: RegExp
  /** What the pattern means, for people. */
  readonly rule?: string
  readonly format?: string
  readonly description?: string
}

export function string(rules: StringRules = {}): Schema<string> {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, rule } = rules
  return {
    json: {
      type: 'string',
      ...(rules.minLength === undefined ? {} : { minLength }),
      ...(rules.maxLength === undefined ? {} : { maxLength }),
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
      ...(rules.format === undefined ? {} : { format: rules.format }),
      ...described(rules),
    },
    check(value, path, problems) {
      if (typeof value !== 'string') return add(problems, path, `must be a string, not ${kindOf(value)}`)
      if (value.length < minLength) {
        add(
          problems,
          path,
          minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`,
        )
      }
      if (value.length > maxLength) add(problems, path, `must have at most ${maxLength} characters`)
      if (pattern !== undefined && !pattern.test(value)) {
        add(problems, path, rule === undefined ? `must match ${pattern.source}` : `must be ${rule}`)
      }
    },
  }
}

export interface NumberRules {
  readonly minimum?: number
  readonly maximum?: number
  readonly description?: string
  readonly default?: number
}

export function number(rules: NumberRules = {}): Schema<number> {
  return numeric('number', 'a number', Number.isFinite, rules)
}

export function integer(rules: NumberRules = {}): Schema<number> {
  return numeric('integer', 'a whole number', Number.isSafeInteger, rules)
}

function numeric(
  type: string,
  words: string,
  accepts: (value: unknown) => boolean,
  rules: NumberRules,
): Schema<number> {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY, ...rest } = rules
  return {
    json: {
      type,
      ...(rules.minimum === undefined ? {} : { minimum }),
      ...(rules.maximum === undefined ? {} : { maximum }),
      ...rest,
    },
    check(value, path, problems) {
      if (typeof value !== 'number' || !accepts(value)) {
        const seen = typeof value === 'number' ? String(value) : kindOf(value)
        return add(problems, path, `must be ${words}, not ${seen}`)
      }
      if (value < minimum) add(problems, path, `must be at least ${minimum}`)
      if (value > maximum) add(problems, path, `must be at most ${maximum}`)
    },
  }
}

export function boolean(rules: { readonly description?: string } = {}): Schema<boolean> {
  return {
    json: { type: 'boolean', ...described(rules) },
    check(value, path, problems) {
      if (typeof value !== 'boolean') add(problems, path, `must be true or false, not ${kindOf(value)}`)
    },
  }
}

export function oneOf<const V extends readonly string[]>(
  values: V,
  rules: { readonly description?: string; readonly default?: V[number] } = {},
): Schema<V[number]> {
  const known = new Set<unknown>(values)
  return {
    json: { type: 'string', enum: values, ...rules },
    check(value, path, problems) {
      if (known.has(value)) return
      const near = typeof value === 'string' ? nearest(value, values) : undefined
      const hint = near === undefined ? '' : `; did you mean "${near}"?`
      add(problems, path, `must be one of ${values.map((one) => `"${one}"`).join(', ')}${hint}`)
    },
  }
}

export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    json: { anyOf: [refTo(inner), { type: 'null' }] },
    parts: [inner],
    check(value, path, problems) {
      if (value !== null) inner.check(value, path, problems)
    },
  }
}

export function array<T>(
  item: Schema<T>,
  rules: { readonly minItems?: number; readonly maxItems?: number; readonly description?: string } = {},
): Schema<readonly T[]> {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = rules
  return {
    json: { type: 'array', items: refTo(item), ...rules },
    parts: [item],
    check(value, path, problems) {
      if (!Array.isArray(value)) return add(problems, path, `must be a list, not ${kindOf(value)}`)
      if (value.length < minItems) add(problems, path, `must have at least ${minItems} entries`)
      if (value.length > maxItems) return add(problems, path, `must have at most ${maxItems} entries`)
      for (const [index, one] of value.entries()) item.check(one, `${path}[${index}]`, problems)
    },
  }
}

/** An object whose keys are the caller's own (environment variables, file paths). */
export function record<T>(
  item: Schema<T>,
  rules: {
    readonly maxProperties?: number
    readonly key?: Schema<string>
    readonly description?: string
  } = {},
): Schema<Readonly<Record<string, T>>> {
  const { maxProperties = Number.POSITIVE_INFINITY, key, ...rest } = rules
  return {
    json: {
      type: 'object',
      additionalProperties: refTo(item),
      ...(rules.maxProperties === undefined ? {} : { maxProperties }),
      ...(key === undefined ? {} : { propertyNames: key.json }),
      ...rest,
    },
    parts: [item],
    check(value, path, problems) {
      if (!isObject(value)) return add(problems, path, `must be an object, not ${kindOf(value)}`)
      const entries = Object.entries(value)
      if (entries.length > maxProperties) {
        return add(problems, path, `must have at most ${maxProperties} entries`)
      }
      for (const [name, one] of entries) {
        const at = member(path, name)
        key?.check(name, at, problems)
        item.check(one, at, problems)
      }
    },
  }
}

/** Marks a property that may be left out. */
export interface Optional<T> {
  readonly optional: Schema<T>
}

export function optional<T>(schema: Schema<T>): Optional<T> {
  return { optional: schema }
}

type Properties = { readonly [name: string]: Schema<unknown> | Optional<unknown> }
type Simplify<T> = { readonly [K in keyof T]: T[K] }
export type StaticObject<P extends Properties> = Simplify<
  { [K in keyof P as P[K] extends Schema<unknown> ? K : never]: Static<P[K]> } & {
    [K in keyof P as P[K] extends Optional<unknown> ? K : never]?: P[K] extends Optional<infer T> ? T : never
  }
>

export function object<const P extends Properties>(
  properties: P,
  rules: { readonly description?: string } = {},
): Schema<StaticObject<P>> {
  const names = Object.keys(properties)
  const fields = new Map(names.map((name) => [name, fieldOf(properties[name])]))
  const required = names.filter((name) => fields.get(name)?.required)
  return {
    json: {
      type: 'object',
      properties: Object.fromEntries([...fields].map(([name, field]) => [name, refTo(field.schema)])),
      ...(required.length === 0 ? {} : { required }),
      additionalProperties: false,
      ...described(rules),
    },
    parts: [...fields.values()].map((field) => field.schema),
    check(value, path, problems) {
      if (!isObject(value)) return add(problems, path, `must be an object, not ${kindOf(value)}`)
      for (const name in value) {
        if (!Object.hasOwn(value, name)) continue
        const field = fields.get(name)
        if (field === undefined) add(problems, member(path, name), unknownKey(name, names))
        else field.schema.check(value[name], member(path, name), problems)
      }
      for (const name of required) {
        if (!Object.hasOwn(value, name)) add(problems, member(path, name), 'is required')
      }
    },
  }
}

function fieldOf(property: Schema<unknown> | Optional<unknown> | undefined): {
  schema: Schema<unknown>
  required: boolean
} {
  if (property === undefined) throw new Error('a property needs a schema')
  return 'optional' in property
    ? { schema: property.optional, required: false }
    : { schema: property, required: true }
}

/**
 * Either of several shapes that differ in their JSON type: the value's own type picks the shape, so that problems are
 * about the one that was meant.
 */
export function either<const S extends readonly Schema<unknown>[]>(
  schemas: S,
  rules: { readonly description?: string } = {},
): Schema<Static<S[number]>> {
  const byType = new Map(schemas.map((schema) => [typeOf(schema), schema]))
  if (byType.size !== schemas.length)
    throw new Error('the shapes of an either must differ in their JSON type')
  const words = [...byType.keys()].join(' or ')
  return {
    json: { anyOf: schemas.map(refTo), ...described(rules) },
    parts: schemas,
    check(value, path, problems) {
      const schema = byType.get(kindOf(value))
      if (schema === undefined) add(problems, path, `must be ${words}, not ${kindOf(value)}`)
      else schema.check(value, path, problems)
    },
  }
}

/** A rule the shape cannot say. It runs only on a value that has the shape. */
export function where<T>(
  schema: Schema<T>,
  rule: (value: T) => string | undefined,
  description?: string,
): Schema<T> {
  return {
    ...schema,
    json: description === undefined ? schema.json : { ...schema.json, description },
    check(value, path, problems) {
      const before = problems.length
      schema.check(value, path, problems)
      if (problems.length > before) return
      // The shape has just been checked.
      const problem = rule(value as T)
      if (problem !== undefined) add(problems, path, problem)
    },
  }
}

/** Lists the schema under a name in OpenAPI, for the SDKs' types. */
export function named<T>(name: string, schema: Schema<T>): Schema<T> {
  return { ...schema, name }
}

/** How one schema appears inside another. */
export function refTo(schema: Schema<unknown>): JsonSchema {
  return schema.name === undefined ? schema.json : { $ref: `#/components/schemas/${schema.name}` }
}

/** Every named schema reachable from these. */
export function namedIn(schemas: Iterable<Schema<unknown>>, found = new Map<string, JsonSchema>()) {
  for (const schema of schemas) {
    if (schema.name !== undefined) {
      if (found.has(schema.name)) continue
      found.set(schema.name, schema.json)
    }
    namedIn(schema.parts ?? [], found)
  }
  return found
}

function described(rules: { readonly description?: string }): JsonSchema {
  return rules.description === undefined ? {} : { description: rules.description }
}

function typeOf(schema: Schema<unknown>): string {
  const words: Readonly<Record<string, string>> = {
    string: 'a string',
    number: 'a number',
    integer: 'a number',
    boolean: 'a boolean',
    array: 'a list',
    object: 'an object',
    null: 'null',
  }
  return words[String(schema.json['type'])] ?? 'something else'
}
