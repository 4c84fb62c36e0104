import type { Documented, Route } from './kernel/route.ts'
import { errorBody } from './schema/answers.ts'
import { namedIn, refTo, type Schema } from './schema/schema.ts'

/** The document of these very routes: what checks a request is what describes it. */
export function openapiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const operations = paths[route.path] ?? {}
    operations[route.method.toLowerCase()] = operationOf(route)
    paths[route.path] = operations
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cloche',
      version,
      description: 'Runs code nobody reviewed, in sandboxes that start in milliseconds.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: Object.fromEntries(namedIn(schemasOf(routes))),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, `clo_…`.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  }
}

function schemasOf(routes: readonly Route[]): Schema<unknown>[] {
  const schemas: Schema<unknown>[] = [errorBody]
  for (const route of routes) {
    if (route.body !== undefined) schemas.push(route.body)
    for (const { schema } of Object.values(route.answers)) if (schema !== undefined) schemas.push(schema)
  }
  return schemas
}

function operationOf(route: Route): object {
  const errors = { description: 'Anything else: an error with a code.', schema: errorBody }
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, answerOf(answer)])
  return {
    operationId: operationId(route),
    summary: route.summary,
    tags: [route.tag],
    ...(route.scope === 'public'
      ? { security: [] }
      : { security: [{ bearer: [] }, { apiKey: [] }], 'x-scope': route.scope }),
    ...parametersOf(route),
    ...bodyOf(route),
    responses: { ...Object.fromEntries(answers), default: answerOf(errors) },
  }
}

/** `GET /api/v1/executions/{id}/logs` → `getExecutionsIdLogs`. */
function operationId(route: Route): string {
  const words = route.path
    .replace('/api/v1', '')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  const prefix = route.path.startsWith('/api/v1') ? '' : 'Root'
  return (
    route.method.toLowerCase() +
    prefix +
    words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('')
  )
}

function parametersOf(route: Route): object {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = Object.entries(route.query ?? {}).map(([name, field]) => ({
    name,
    in: 'query',
    required: false,
    schema: field.optional.json,
  }))
  const parameters = [...inPath, ...inQuery]
  return parameters.length === 0 ? {} : { parameters }
}

function bodyOf(route: Route): object {
  if (route.body === undefined) return {}
  const json = { schema: refTo(route.body) }
  if (route.rawBody !== true)
    return { requestBody: { required: true, content: { 'application/json': json } } }
  const form = {
    schema: {
      type: 'object',
      properties: { request: refTo(route.body) },
      required: ['request'],
      additionalProperties: { type: 'string', contentMediaType: 'application/octet-stream' },
      description: 'Every part but `request` is a file, named by its path.',
    },
  }
  return {
    requestBody: { required: true, content: { 'application/json': json, 'multipart/form-data': form } },
  }
}

function answerOf(answer: Documented): object {
  if (answer.schema !== undefined) {
    return {
      description: answer.description,
      content: { 'application/json': { schema: refTo(answer.schema) } },
    }
  }
  return {
    description: answer.description,
    ...(answer.type === undefined ? {} : { content: { [answer.type]: {} } }),
  }
}
