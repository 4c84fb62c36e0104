/** The routes of the server's own OpenAPI document, for tests that must cover every one of them. */
import type { Client, JsonObject, JsonValue } from './client.ts'

export interface Route {
  readonly method: string
  readonly path: string
  /** The JSON Schema of the request body, with references resolved, if it takes one. */
  readonly bodySchema: JsonObject | undefined
  readonly parameters: readonly JsonObject[]
}

const methods = ['get', 'post', 'put', 'patch', 'delete']

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Follows `$ref` inside the document, a bounded number of levels deep. */
function resolve(document: JsonObject, value: JsonValue, depth = 0): JsonValue {
  if (depth > 24) return {}
  if (Array.isArray(value)) return value.map((item) => resolve(document, item, depth + 1))
  if (!isObject(value)) return value
  const reference = value['$ref']
  if (typeof reference === 'string') {
    let target: JsonValue | undefined = document
    for (const part of reference.replace(/^#\//, '').split('/'))
      target = isObject(target) ? target[part] : undefined
    return resolve(document, target ?? {}, depth + 1)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, resolve(document, item, depth + 1)]),
  )
}

function schemaOf(operation: JsonObject): JsonObject | undefined {
  const body = operation['requestBody']
  const content = isObject(body) ? body['content'] : undefined
  const json = isObject(content) ? content['application/json'] : undefined
  const schema = isObject(json) ? json['schema'] : undefined
  return isObject(schema) ? schema : undefined
}

export async function routesOf(client: Client): Promise<Route[]> {
  const document = (await client.call('GET', '/openapi.json')).json()
  const paths = document['paths']
  if (!isObject(paths)) throw new Error('the OpenAPI document has no paths')
  const routes: Route[] = []
  for (const [path, item] of Object.entries(paths)) {
    if (!isObject(item)) continue
    for (const method of methods) {
      const operation = item[method]
      if (!isObject(operation)) continue
      const resolved = resolve(document, operation)
      if (!isObject(resolved)) continue
      const parameters = Array.isArray(resolved['parameters']) ? resolved['parameters'].filter(isObject) : []
      routes.push({ method: method.toUpperCase(), path, bodySchema: schemaOf(resolved), parameters })
    }
  }
  return routes
}
