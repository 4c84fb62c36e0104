/*
 * api: the platform over HTTP: routes, WebSocket and OpenAPI, thin over the services that do the work.
 *
 * Guarantees: one schema for each shape checks it, documents it and types it; unknown keys are refused with their path and
 * all problems are told at once; every route but the few public ones wants a key, checks its scope, its rate and whose
 * thing it is (others' things are 404); every failure is an error of the registry with a request id; bodies, messages
 * and readers that are too large or too slow are bounded.
 * Does not: run, store or decide anything itself.
 */
import type { AddressInfo } from 'node:net'
import { Kernel } from './kernel/kernel.ts'
import type { Route } from './kernel/route.ts'
import { openapiDocument } from './openapi.ts'
import type { ApiParts } from './parts.ts'
import { environmentRoutes } from './routes/environments.ts'
import { executeRoutes } from './routes/execute.ts'
import { executionRoutes } from './routes/executions.ts'
import { keyRoutes } from './routes/keys.ts'
import { metaRoutes } from './routes/meta.ts'
import { tenantRoutes } from './routes/tenants.ts'
import { StreamServer, streamRoute } from './stream/upgrade.ts'

export interface Api {
  listen(port: number, host: string): Promise<AddressInfo>
  /** New requests are refused, streams are told to go; resolves when the last answer is out. */
  close(): Promise<void>
  /** Hangs up on whoever is still connected. */
  hangUp(): void
}

export function createApi(parts: ApiParts): Api {
  const routes = allRoutes(parts)
  const { settings, clock, log, metrics, store } = parts
  const verify = (secret: string) => store.keys.verify(secret)
  const kernel = new Kernel({ routes, settings, verify, clock, log, metrics })
  const streams = new StreamServer(parts, kernel)
  const { server } = kernel
  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          // A TCP server's address is never a string.
          resolve(server.address() as AddressInfo)
        })
      }),
    close: () => {
      kernel.refuseNew()
      streams.close()
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      })
    },
    hangUp: () => server.closeAllConnections(),
  }
}

/** Every route there is; OpenAPI is made from the same list. */
export function allRoutes(parts: ApiParts): readonly Route[] {
  let document: object | undefined
  const routes: Route[] = [
    ...executeRoutes(parts),
    streamRoute(),
    ...executionRoutes(parts),
    ...environmentRoutes(parts),
    ...keyRoutes(parts),
    ...tenantRoutes(parts),
    ...metaRoutes(parts, () => {
      document ??= openapiDocument(routes, parts.version.version)
      return document
    }),
  ]
  return routes
}
