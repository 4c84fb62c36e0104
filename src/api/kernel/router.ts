import type { Method, Route } from './route.ts'

export type Match =
  | { readonly kind: 'found'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong_method'; readonly allowed: readonly Method[] }
  | { readonly kind: 'missing' }

interface Template {
  readonly segments: readonly string[]
  readonly routes: Map<string, Route>
}

/** Finds the route of a path. Templates without `{…}` win over those with. */
export class Router {
  readonly #fixed = new Map<string, Map<string, Route>>()
  readonly #templates: Template[] = []

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route)
  }

  match(method: string, path: string): Match {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return pick(fixed, method, {})
    const segments = path.split('/')
    for (const template of this.#templates) {
      const params = paramsOf(template.segments, segments)
      if (params !== undefined) return pick(template.routes, method, params)
    }
    return { kind: 'missing' }
  }

  #add(route: Route): void {
    const byMethod = route.path.includes('{') ? this.#templateOf(route.path) : this.#fixedOf(route.path)
    if (byMethod.has(route.method)) throw new Error(`${route.method} ${route.path} is defined twice`)
    byMethod.set(route.method, route)
  }

  #fixedOf(path: string): Map<string, Route> {
    const found = this.#fixed.get(path) ?? new Map<string, Route>()
    this.#fixed.set(path, found)
    return found
  }

  #templateOf(path: string): Map<string, Route> {
    const segments = path.split('/')
    const same = this.#templates.find((one) => one.segments.join('/') === path)
    if (same !== undefined) return same.routes
    const template = { segments, routes: new Map<string, Route>() }
    this.#templates.push(template)
    return template.routes
  }
}

function pick(routes: Map<string, Route>, method: string, params: Readonly<Record<string, string>>): Match {
  const route = routes.get(method === 'HEAD' ? 'GET' : method)
  if (route !== undefined) return { kind: 'found', route, params }
  return { kind: 'wrong_method', allowed: [...routes.values()].map((one) => one.method) }
}

function paramsOf(
  template: readonly string[],
  segments: readonly string[],
): Record<string, string> | undefined {
  if (template.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, part] of template.entries()) {
    const given = segments[index] ?? ''
    if (!part.startsWith('{')) {
      if (part !== given) return undefined
      continue
    }
    const value = decoded(given)
    if (value === undefined || value === '') return undefined
    params[part.slice(1, -1)] = value
  }
  return params
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
