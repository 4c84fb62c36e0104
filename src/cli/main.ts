/*
 * cli: the command line, `cloche <noun> <verb>`.
 *
 * Guarantees: results go to stdout and everything else to stderr; `--json` prints what the API answered; an error is three
 * lines (what, why, what to try); `run` ends with the program's own exit code. A command loads only what it needs.
 * Does not do: anything the API could not do as well. All client commands go through the TypeScript SDK.
 */
import { exitCodeOf, exitCodes, explain } from './failure.ts'

// Whoever read our output has gone (`cloche run … | head -1`): end as other programs do of SIGPIPE. The connection closes
// with us, and with it an execution that was started on it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.readerGone)
  throw error
})

try {
  await obey(process.argv.slice(2))
} catch (error) {
  const told = explain(error)
  if (told !== '') process.stderr.write(told)
  // Not exit(): output still on its way to a pipe would be lost.
  process.exitCode = exitCodeOf(error)
}

async function obey(words: readonly string[]): Promise<void> {
  const [command, ...rest] = words
  if (command === 'serve' && !rest.some((word) => word === '--help' || word === '-h')) {
    const { parseServeFlags } = await import('./serve-flags.ts')
    const flags = parseServeFlags(rest)
    return (await import('./commands/serve.ts')).serveCommand(flags)
  }
  const { buildProgram } = await import('./program.ts')
  await buildProgram().parseAsync(words, { from: 'user' })
}
