/**
 * How long a file and a function may be. Functions in TypeScript are measured by the linter (biome.json); here are
 * those in C, Python and shell. Exceptions have a name and a reason, or they do not exist.
 */

export const fileLines = 400
/** Tests are lists of cases, each short in itself. */
export const testFileLines = 600
export const functionLines = 70

/** Files that may be longer, with the reason. */
export const longFiles: Readonly<Record<string, string>> = {}

/** `file: function` that may be longer, with the reason. */
export const longFunctions: Readonly<Record<string, string>> = {}

export type Measured = { name: string; lines: number }

/** Functions of a C file: from the line that opens the body (or its lone brace) to the brace at the margin. */
export function functionsInC(text: string): Measured[] {
  const found: Measured[] = []
  let name = ''
  let start = -1
  for (const [index, line] of text.split('\n').entries()) {
    if (start < 0) {
      const head = /^[A-Za-z_][^;=]*?\b([A-Za-z_]\w*)\s*\(/.exec(line)
      if (head?.[1]) name = head[1]
      if (name !== '' && /^(\{|[A-Za-z_].*\)\s*\{)\s*$/.test(line)) start = index
    } else if (line.startsWith('}')) {
      found.push({ name, lines: index - start + 1 })
      name = ''
      start = -1
    }
  }
  return found
}

/** Functions of a Python file, at any depth: from `def` to the last line indented deeper. */
export function functionsInPython(text: string): Measured[] {
  const lines = text.split('\n')
  return lines.flatMap((line, index) => {
    const head = /^(\s*)(?:async )?def (\w+)/.exec(line)
    if (!head) return []
    const depth = head[1]?.length ?? 0
    let end = index
    for (let next = index + 1; next < lines.length; next++) {
      const text = lines[next] ?? ''
      if (text.trim() === '') continue
      // A closing parenthesis of the head itself stands at the depth of `def`.
      if (text.search(/\S/) <= depth && !/^\s*\)/.test(text)) break
      end = next
    }
    return [{ name: head[2] ?? '', lines: end - index + 1 }]
  })
}

/** Functions of a shell script: `name() {` at the margin to the brace at the margin. */
export function functionsInShell(text: string): Measured[] {
  const found: Measured[] = []
  let open: { name: string; start: number } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const head = /^(\w+)\(\) [{(]/.exec(line)
    if (head?.[1] && !/[})]\s*$/.test(line.slice(head[0].length))) open = { name: head[1], start: index }
    else if (open && /^[})]/.test(line)) {
      found.push({ name: open.name, lines: index - open.start + 1 })
      open = undefined
    }
  }
  return found
}
