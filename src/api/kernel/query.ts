import type { Problem } from '../../model/errors.ts'
import { member, unknownKey } from '../../std/words.ts'
import type { Optional } from '../schema/schema.ts'

/** The query string by its schemas: text becomes the number or boolean the schema wants; unknown and repeated keys are problems. */
export function parseQuery(
  search: URLSearchParams,
  fields: { readonly [name: string]: Optional<unknown> },
  problems: Problem[],
): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, text] of search) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (field === undefined) {
      problems.push({ path: member('', name), message: unknownKey(name, Object.keys(fields)) })
    } else if (Object.hasOwn(result, name)) {
      problems.push({ path: name, message: 'is given twice' })
    } else {
      const value = convert(text, field.optional.json['type'])
      field.optional.check(value, name, problems)
      result[name] = value
    }
  }
  return result
}

function convert(text: string, type: unknown): unknown {
  if (type === 'integer' || type === 'number') return /^-?\d{1,16}(\.\d+)?$/.test(text) ? Number(text) : text
  // `?follow` alone means yes, as people write it.
  if (type === 'boolean')
    return text === '' || text === 'true' || text === '1'
      ? true
      : text === 'false' || text === '0'
        ? false
        : text
  return text
}
