// What commands print: the API's JSON as it came, or the same as a table or as lines for people.

/** One line per row, columns padded to line up; a header only where there are rows. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const lines = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** `name  value` lines; what is not known is left out. */
export function facts(entries: readonly (readonly [string, string | number | null | undefined])[]): string {
  const known = entries.filter((entry) => entry[1] !== null && entry[1] !== undefined && entry[1] !== '')
  const width = Math.max(0, ...known.map(([name]) => name.length))
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}

export function printResult(text: string): void {
  process.stdout.write(text)
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

/** Remarks, progress, warnings: never mixed into what a pipe reads. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
