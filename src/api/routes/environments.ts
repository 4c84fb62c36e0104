import type { Environment } from '../../model/environment.ts'
import { fail } from '../../model/errors.ts'
import { isoTime } from '../answer.ts'
import { type Route, route } from '../kernel/route.ts'
import { type ApiParts, callerOf } from '../parts.ts'
import { environment, environmentList } from '../schema/answers.ts'
import { environmentFields } from '../schema/execute-request.ts'
import { named, object } from '../schema/schema.ts'
import { nameSchema } from './tenants.ts'

const environmentRequest = named('EnvironmentRequest', object({ name: nameSchema, ...environmentFields }))

export function environmentRoutes({ environments }: ApiParts): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/v1/environments',
      summary: 'Give a set of packages a name and build it.',
      tag: 'environments',
      scope: 'manage',
      body: environmentRequest,
      answers: {
        202: { description: 'On record; its status tells how the build goes.', schema: environment },
      },
      handle: async (context) => {
        const { name, ...spec } = context.body
        if (spec.python === undefined && spec.node === undefined) {
          fail('invalid_request', { problems: [{ path: '', message: 'must have "python" or "node"' }] })
        }
        const made = await environments.create(callerOf(context).tenantId, name, spec)
        return {
          status: 202,
          json: shownEnvironment(made),
          headers: { location: `/api/v1/environments/${name}` },
        }
      },
    }),
    route({
      method: 'GET',
      path: '/api/v1/environments',
      summary: 'The environments of the tenant.',
      tag: 'environments',
      scope: 'execute',
      answers: { 200: { description: 'All of them.', schema: environmentList } },
      handle: async (context) => {
        const list = await environments.list(callerOf(context).tenantId)
        return { status: 200, json: { environments: list.map(shownEnvironment) } }
      },
    }),
    ...namedRoutes(environments),
  ]
}

function namedRoutes(environments: ApiParts['environments']): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/environments/{name}',
      summary: 'One environment.',
      tag: 'environments',
      scope: 'execute',
      answers: { 200: { description: 'As it is now.', schema: environment } },
      handle: async (context) => {
        const found = await environments.get(callerOf(context).tenantId, context.params['name'] ?? '')
        return { status: 200, json: shownEnvironment(found) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/api/v1/environments/{name}',
      summary: 'Remove an environment; running executions keep it until they end.',
      tag: 'environments',
      scope: 'manage',
      answers: { 204: { description: 'It is gone.' } },
      handle: async (context) => {
        const name = context.params['name'] ?? ''
        if (!(await environments.delete(callerOf(context).tenantId, name)))
          fail('environment_unknown', { name: name.slice(0, 100) })
        return { status: 204 }
      },
    }),
  ]
}

function shownEnvironment(one: Environment): Record<string, unknown> {
  return {
    environmentId: one.id,
    name: one.name,
    spec: one.spec,
    status: one.status,
    layerBytes: one.layerBytes,
    buildMs: one.buildMs,
    ...(one.error === null ? {} : { error: one.error }),
    createdAt: isoTime(one.createdAt),
    updatedAt: isoTime(one.updatedAt),
  }
}
