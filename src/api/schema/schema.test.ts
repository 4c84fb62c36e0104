import assert from 'node:assert/strict'
import test from 'node:test'
import {
  array,
  boolean,
  either,
  integer,
  named,
  namedIn,
  number,
  object,
  oneOf,
  optional,
  problemsOf,
  record,
  string,
  where,
} from './schema.ts'

const limits = object({ memoryMb: optional(integer({ minimum: 16 })), cpuCores: optional(number()) })
const schema = object({
  language: oneOf(['python', 'bash']),
  args: optional(array(string({ maxLength: 3 }), { maxItems: 2 })),
  env: optional(record(string())),
  limits: optional(limits),
  network: optional(either([oneOf(['none', 'all']), object({ allow: array(string()) })])),
})

function paths(value: unknown): string[] {
  return problemsOf(schema, value).map(({ path, message }) => `${path}: ${message}`)
}

test('a value of the right shape has no problems', () => {
  assert.deepEqual(paths({ language: 'python', args: ['a'], env: { A: 'b' }, limits: { memoryMb: 20 } }), [])
  assert.deepEqual(paths({ language: 'bash', network: { allow: ['a.b'] } }), [])
})

test('all problems are reported at once, each with its path', () => {
  assert.deepEqual(
    paths({ language: 'pyhton', args: ['abcd', 1], env: { 'a b': 1 }, limits: { memoryMb: 1.5 } }),
    [
      'language: must be one of "python", "bash"; did you mean "python"?',
      'args[0]: must have at most 3 characters',
      'args[1]: must be a string, not a number',
      'env["a b"]: must be a string, not a number',
      'limits.memoryMb: must be a whole number, not 1.5',
    ],
  )
})

test('an unknown key is a problem with its path, and names the key it is near to', () => {
  assert.deepEqual(paths({ language: 'bash', limits: { memory_mb: 1 }, zzzz: 1 }), [
    'limits.memory_mb: unknown key; did you mean "memoryMb"?',
    'zzzz: unknown key',
  ])
})

test('keys that JavaScript treats specially are unknown keys like any other', () => {
  const value: unknown = JSON.parse('{"language":"bash","__proto__":{"x":1},"constructor":1}')
  assert.deepEqual(paths(value), ['__proto__: unknown key', 'constructor: unknown key'])
})

test('the JSON type of a value decides which of several shapes it is measured by', () => {
  assert.deepEqual(paths({ language: 'bash', network: 'everything' }), [
    'network: must be one of "none", "all"',
  ])
  assert.deepEqual(paths({ language: 'bash', network: { alow: [] } }), [
    'network.alow: unknown key; did you mean "allow"?',
    'network.allow: is required',
  ])
  assert.deepEqual(paths({ language: 'bash', network: 7 }), [
    'network: must be a string or an object, not a number',
  ])
})

test('a long list of problems is cut', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, 1]))
  assert.equal(paths(many).length, 50)
})

test('a rule beyond the shape runs only on values that have the shape', () => {
  const pair = where(object({ a: optional(boolean()), b: optional(boolean()) }), (value) =>
    value.a === value.b ? 'must differ' : undefined,
  )
  assert.deepEqual(problemsOf(pair, { a: true, b: true }), [{ path: '', message: 'must differ' }])
  assert.deepEqual(problemsOf(pair, { a: 1, b: 1 }).length, 2)
})

test('named schemas become components and are referred to', () => {
  const inner = named('Inner', object({ x: string() }))
  const outer = named('Outer', object({ list: array(inner) }))
  const found = namedIn([outer])
  assert.deepEqual([...found.keys()], ['Outer', 'Inner'])
  assert.deepEqual(found.get('Outer'), {
    type: 'object',
    properties: { list: { type: 'array', items: { $ref: '#/components/schemas/Inner' } } },
    required: ['list'],
    additionalProperties: false,
  })
})
