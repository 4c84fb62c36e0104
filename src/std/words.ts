/** The value's JSON type in words. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  if (typeof value === 'string') return 'a string'
  if (typeof value === 'number') return 'a number'
  return typeof value === 'boolean' ? 'a boolean' : typeof value
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const PLAIN_NAME = /^[A-Za-z_$][\w$]*$/

/** A path as one would write it in JavaScript; long names are cut. */
export function member(path: string, name: string): string {
  if (PLAIN_NAME.test(name)) return path === '' ? name : `${path}.${name}`
  return `${path}[${JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)}]`
}

export function unknownKey(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? 'unknown key' : `unknown key; did you mean "${near}"?`
}

/** The known word that differs in case, separators or at most two letters. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 40) return undefined
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[_-]/g, '')
  const wanted = plain(word)
  const allowed = wanted.length < 4 ? 1 : 2
  let best: { word: string; distance: number } | undefined
  for (const candidate of known) {
    const distance = editDistance(wanted, plain(candidate))
    if (distance <= allowed && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, distance }
    }
  }
  return best?.word
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
