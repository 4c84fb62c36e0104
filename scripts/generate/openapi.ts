// The server's OpenAPI document without a server: routes are values, and only their shapes are asked for here.
import { allRoutes } from '../../src/api/api.ts'
import { openapiDocument } from '../../src/api/openapi.ts'
import type { ApiParts } from '../../src/api/parts.ts'
import { systemClock } from '../../src/std/clock.ts'

export function openapi(): {
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
} {
  const forShapesOnly: Partial<ApiParts> = { clock: systemClock, version: { version: '0', api: 'v1' } }
  // No handler runs, so nothing else of the parts is ever touched.
  return openapiDocument(allRoutes(forShapesOnly as ApiParts), '0')
}
