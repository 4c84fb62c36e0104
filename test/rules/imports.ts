/**
 * Who may import whom, in one list: a module imports itself and those in rows above it; modules of one row do not know
 * each other. The command line, at the very end, speaks to servers through the public SDK like anyone else.
 */
import { dirname, join } from 'node:path'
import { files, read, withoutComments } from './repository.ts'

export const importOrder: readonly (readonly string[])[] = [
  ['std'],
  ['model'],
  ['protocol'],
  ['store', 'blobs', 'sandbox'],
  ['pool'],
  ['environment', 'egress'],
  ['execution'],
  ['api'],
  ['doctor'],
  ['server'],
  ['cli'],
]

const importing =
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|(?<!['"`\w])import\(\s*['"]([^'"]+)['"]/gm

/** What a file imports, by specifier. */
export function specifiersIn(text: string): string[] {
  return [...withoutComments(text).matchAll(importing)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** The repository's own files that a file imports, by path from the root. */
export function importsOf(path: string): string[] {
  return specifiersIn(read(path))
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => join(dirname(path), specifier))
}

export function moduleOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

/** Undefined when the import is allowed, else why it is not. */
export function objection(from: string, to: string): string | undefined {
  const [importer, imported] = [moduleOf(from), moduleOf(to)]
  if (importer === undefined || importer === imported) return undefined
  if (importer === 'cli' && to === 'sdk/typescript/src/index.ts') return undefined
  if (imported === undefined) return `${from} imports ${to}: what the server runs does not reach outside src/`
  const [row, importedRow] = [rowOf(importer), rowOf(imported)]
  if (importedRow < row) return undefined
  return `${from} imports ${to}: ${imported} is not above ${importer} in the import order`
}

function rowOf(module: string): number {
  const row = importOrder.findIndex((modules) => modules.includes(module))
  if (row < 0)
    throw new Error(`src/${module} is not in the import order: give it its row in test/rules/imports.ts`)
  return row
}

/** The first loop found in a graph of imports, as the files along it. */
export function loopIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of graph.get(file) ?? []) {
      const loop = visit(next, [...trail, file])
      if (loop) return loop
    }
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const loop = visit(file, [])
    if (loop) return loop
  }
  return undefined
}

export const typescriptFiles = files.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
