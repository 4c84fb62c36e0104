/** C programs of the tests, compiled statically on this machine so that they run in any sandbox as a file sent in. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './requirements.ts'

const programsDir = join(projectRoot, 'test', 'support', 'programs')
const compiled = new Map<string, Buffer>()

/** The statically linked bytes of `programs/<name>.c`. */
export function program(name: string): Buffer {
  const known = compiled.get(name)
  if (known !== undefined) return known
  const folder = mkdtempSync(join(tmpdir(), 'cloche-program-'))
  try {
    const output = join(folder, name)
    execFileSync('cc', [
      '-O1',
      '-s',
      '-static',
      '-Wall',
      '-Werror',
      '-o',
      output,
      join(programsDir, `${name}.c`),
    ])
    const bytes = readFileSync(output)
    compiled.set(name, bytes)
    return bytes
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The same as a `files` entry of a request: executable, at `path`. */
export function programFile(
  name: string,
  path: string = name,
): Record<string, { base64: string; mode: number }> {
  return { [path]: { base64: program(name).toString('base64'), mode: 0o755 } }
}
