// What commands that work on this machine itself (`serve`, `doctor`) agree on: where the project is and where data goes.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export type Variables = Readonly<Record<string, string | undefined>>

/** The folder this program was started from: `build/`, `guest/` and the rest are below it. */
export const projectDir = resolve(import.meta.dirname, '..', '..')

/** Where `make up` keeps its data unless told otherwise. */
export function dataDirFrom(flags: { readonly data?: string }, env: Variables): string {
  return flags.data ?? env['CLOCHE_DATA'] ?? defaultDataDir(env)
}

function defaultDataDir(env: Variables): string {
  if (process.getuid?.() === 0) return '/var/lib/cloche'
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'cloche')
}
