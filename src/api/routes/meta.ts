import { type Route, route } from '../kernel/route.ts'
import type { ApiParts } from '../parts.ts'
import { health, readiness, version } from '../schema/answers.ts'

/** What the server says of itself; open to everybody, and so without anything about tenants. */
export function metaRoutes(parts: ApiParts, openapi: () => object): Route[] {
  const startedMs = parts.clock.monotonic()
  return [
    route({
      method: 'GET',
      path: '/health',
      summary: 'The process lives.',
      tag: 'server',
      scope: 'public',
      answers: { 200: { description: 'It does.', schema: health } },
      handle: () => ({
        status: 200,
        json: { status: 'ok', uptimeMs: Math.round(parts.clock.monotonic() - startedMs) },
      }),
    }),
    route({
      method: 'GET',
      path: '/ready',
      summary: 'Executions can be run.',
      tag: 'server',
      scope: 'public',
      answers: {
        200: { description: 'They can.', schema: readiness },
        503: { description: 'They cannot now.', schema: readiness },
      },
      handle: async () => {
        const answer = await parts.readiness()
        return { status: answer.ready ? 200 : 503, json: answer }
      },
    }),
    route({
      method: 'GET',
      path: '/metrics',
      summary: 'Counts and gauges for Prometheus.',
      tag: 'server',
      scope: 'public',
      answers: { 200: { description: 'Text exposition format 0.0.4.', type: 'text/plain' } },
      handle: () => ({
        status: 200,
        text: parts.metrics.render(),
        type: 'text/plain; version=0.0.4; charset=utf-8',
      }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/version',
      summary: 'What runs here.',
      tag: 'server',
      scope: 'public',
      answers: { 200: { description: 'Version and facts.', schema: version } },
      handle: () => ({ status: 200, json: parts.version }),
    }),
    route({
      method: 'GET',
      path: '/openapi.json',
      summary: 'This document.',
      tag: 'server',
      scope: 'public',
      answers: { 200: { description: 'OpenAPI 3.1.', type: 'application/json' } },
      handle: () => ({ status: 200, json: openapi() }),
    }),
  ]
}
