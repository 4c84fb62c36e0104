// The flags of `cloche serve`, read without the library that reads everybody else's: it would take 10 MB of an idle
// server's memory. The same table makes the command's help.
import { parseArgs } from 'node:util'
import { CliError } from './failure.ts'

export interface ServeFlags {
  readonly port?: string
  readonly host?: string
  readonly data?: string
  readonly config?: string
  readonly set: readonly string[]
}

export const serveFlags = [
  { name: 'port', value: 'number', about: 'port to listen on; 0 picks a free one' },
  { name: 'host', value: 'address', about: 'address to listen on' },
  { name: 'data', value: 'dir', about: 'where everything is kept' },
  { name: 'config', value: 'file', about: 'settings as JSON; flags and CLOCHE_… variables win over it' },
  { name: 'set', value: 'key=value', about: 'any other setting, see docs/settings.md; repeatable' },
] as const

export function parseServeFlags(args: readonly string[]): ServeFlags {
  const one = { type: 'string' } as const
  const options = {
    port: one,
    host: one,
    data: one,
    config: one,
    set: { type: 'string', multiple: true },
  } as const
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false })
    return { set: [], ...values }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CliError('The command line was not understood', why, '`cloche serve --help`')
  }
}
