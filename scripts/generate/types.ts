// The SDK's request and answer types, from the named schemas of the server's OpenAPI document. Only the JSON Schema that
// document uses is understood; anything else fails here, so that no type is ever silently `unknown`.

type Json = Readonly<Record<string, unknown>>

export function typesSource(document: { readonly components?: { readonly schemas?: Json } }): string {
  const schemas = document.components?.schemas ?? {}
  const types = Object.keys(schemas)
    .filter((name) => name !== 'Error') // the SDK has classes for it
    .sort()
    .map((name) => declaration(name, asJson(schemas[name], name)))
  return [
    '// Made from the OpenAPI document (src/api) by scripts/generate; a test fails when the two differ.',
    ...types,
    '',
  ].join('\n\n')
}

function declaration(name: string, schema: Json): string {
  const comment = commentOf(schema, '')
  if (schema['type'] === 'object' && 'properties' in schema) {
    return `${comment}export interface ${name} ${objectType(schema, name)}`
  }
  return `${comment}export type ${name} = ${typeOf(schema, name)};`
}

function typeOf(schema: Json, at: string): string {
  const reference = schema['$ref']
  if (typeof reference === 'string') return reference.replace('#/components/schemas/', '')
  if ('const' in schema) return JSON.stringify(schema['const'])
  if (Array.isArray(schema['enum'])) return schema['enum'].map((one) => JSON.stringify(one)).join(' | ')
  const options = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(options)) {
    return [...new Set(options.map((one, index) => typeOf(asJson(one, at), `${at}.${index}`)))].join(' | ')
  }
  const type = schema['type']
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one }, at)).join(' | ')
  switch (type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
    case 'null':
      return type
    case 'array':
      return `readonly (${typeOf(asJson(schema['items'], at), `${at}[]`)})[]`
    case 'object':
      return objectType(schema, at)
    default:
      throw new Error(`${at}: a schema this generator does not know: ${JSON.stringify(schema).slice(0, 200)}`)
  }
}

function objectType(schema: Json, at: string): string {
  const properties = schema['properties'] === undefined ? {} : asJson(schema['properties'], at)
  const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : []
  const fields = Object.entries(properties).map(([name, value]) => {
    const property = asJson(value, `${at}.${name}`)
    const mark = required.includes(name) ? '' : '?'
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    return `${commentOf(property, '  ')}  readonly ${key}${mark}: ${typeOf(property, `${at}.${name}`)};`
  })
  const rest = schema['additionalProperties']
  if (typeof rest === 'object' && rest !== null) {
    fields.push(`  readonly [name: string]: ${typeOf(asJson(rest, at), `${at}[…]`)};`)
  }
  return fields.length === 0 ? 'Readonly<Record<string, never>>' : `{\n${fields.join('\n')}\n}`
}

function commentOf(schema: Json, indent: string): string {
  const description = typeof schema['description'] === 'string' ? schema['description'] : ''
  const fallback = 'default' in schema ? `Default ${JSON.stringify(schema['default'])}.` : ''
  const text = [description, fallback].filter((part) => part !== '').join(' ')
  return text === '' ? '' : `${indent}/** ${text.replaceAll('*/', '*\\/')} */\n`
}

function asJson(value: unknown, at: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new Error(`${at}: not a schema: ${JSON.stringify(value)}`)
}
