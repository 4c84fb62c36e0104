// `cloche serve`: the server in this process, until it is told to stop.
import { type ConfigSources, parseConfig, serve } from '../../server/index.ts'
import { CliError } from '../failure.ts'
import type { ServeFlags } from '../serve-flags.ts'

export async function serveCommand(flags: ServeFlags): Promise<void> {
  const server = await serve(parseConfig(sourcesOf(flags, process.env)))
  await server.ended
}

export function sourcesOf(flags: ServeFlags, env: NodeJS.ProcessEnv): ConfigSources {
  const { port, host, data, config } = flags
  const named = Object.entries({ port, host, data }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  )
  return {
    flags: Object.fromEntries([...flags.set.map(setting), ...named]),
    env,
    ...(config === undefined ? {} : { file: config }),
  }
}

function setting(pair: string): readonly [string, string] {
  const at = pair.indexOf('=')
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
  const hint = 'write --set limits.memory=2GiB; docs/settings.md has every key'
  throw new CliError('The command line was not understood', `--set ${pair} has no value`, hint)
}
