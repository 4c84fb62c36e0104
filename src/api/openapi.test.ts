import assert from 'node:assert/strict'
import test from 'node:test'
import { allRoutes } from './api.ts'
import { openapiDocument } from './openapi.ts'
import type { ApiParts } from './parts.ts'

/** Routes are made without touching any part; nothing is called here. */
const untouched = new Proxy(
  {},
  { get: (_target, name) => (name === 'clock' ? { monotonic: () => 0 } : untouched) },
)
const routes = allRoutes(untouched as ApiParts)
const document = JSON.parse(JSON.stringify(openapiDocument(routes, '1.2.3')))

function refsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(refsIn)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => (key === '$ref' ? [String(one)] : refsIn(one)))
}

test('every route is in the document, and every reference leads to a schema', () => {
  const listed = Object.entries(document.paths as Record<string, object>).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(listed.sort(), routes.map((route) => `${route.method} ${route.path}`).sort())
  for (const ref of refsIn(document)) {
    assert.ok(document.components.schemas[ref.replace('#/components/schemas/', '')] !== undefined, ref)
  }
})

test('operations have names of their own, guarded ones say which key they want, and all say how they fail', () => {
  const operations = Object.values(
    document.paths as Record<string, Record<string, Record<string, unknown>>>,
  ).flatMap((one) => Object.values(one))
  const ids = operations.map((operation) => operation['operationId'])
  assert.equal(new Set(ids).size, ids.length)
  const guarded = operations.filter((operation) => operation['x-scope'] !== undefined)
  assert.ok(guarded.length >= 15)
  for (const operation of operations) assert.ok('default' in (operation['responses'] as object))
})

test('only what says nothing of tenants is open to everybody', () => {
  const open = routes.filter((route) => route.scope === 'public').map((route) => route.path)
  assert.deepEqual(open.sort(), ['/api/v1/version', '/health', '/metrics', '/openapi.json', '/ready'])
})
