import assert from 'node:assert/strict'
import test from 'node:test'
import type { Problem } from '../../model/errors.ts'
import { boolean, integer, oneOf, optional, string } from '../schema/schema.ts'
import { parseQuery } from './query.ts'

const fields = {
  limit: optional(integer({ minimum: 1, maximum: 9 })),
  follow: optional(boolean()),
  status: optional(oneOf(['a', 'b'])),
  text: optional(string({ maxLength: 3 })),
}

function parsed(query: string): [Record<string, unknown>, string[]] {
  const problems: Problem[] = []
  const values = parseQuery(new URLSearchParams(query), fields, problems)
  return [values, problems.map(({ path, message }) => `${path}: ${message}`)]
}

test('text becomes what the schema wants', () => {
  assert.deepEqual(parsed('limit=3&follow=true&status=a&text=12'), [
    { limit: 3, follow: true, status: 'a', text: '12' },
    [],
  ])
  assert.deepEqual(parsed('follow')[0], { follow: true })
  assert.deepEqual(parsed('follow=0')[0], { follow: false })
})

test('unknown, repeated, misspelt and out-of-range keys are problems', () => {
  assert.deepEqual(parsed('limit=0')[1], ['limit: must be at least 1'])
  assert.deepEqual(parsed('limit=x')[1], ['limit: must be a whole number, not a string'])
  assert.deepEqual(parsed('limit=1&limit=2')[1], ['limit: is given twice'])
  assert.deepEqual(parsed('limt=1')[1], ['limt: unknown key; did you mean "limit"?'])
  assert.deepEqual(parsed('follow=maybe')[1], ['follow: must be true or false, not a string'])
  assert.deepEqual(parsed('__proto__=1')[1], ['__proto__: unknown key'])
})
