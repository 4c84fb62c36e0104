/** Where the root tree of the sandboxes is: the machine's own, or the one CLOCHE_BASE_DIR names. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export async function baseRoot(): Promise<string> {
  const folder = process.env['CLOCHE_BASE_DIR'] ?? '/var/lib/cloche/base'
  const hash = await readFile(join(folder, 'current'), 'utf8').catch(() => {
    throw new Error(`no base tree in ${folder}: run \`scripts/base-tree\` first`)
  })
  return join(folder, hash.trim(), 'root')
}
