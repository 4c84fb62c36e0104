// The tree of commands: what there is to say, with its flags and help. What a command does is in commands/ and is loaded
// only when it is called, so that `cloche version` does not pay for `serve`.
import { Command, Option } from 'commander'
import { serveFlags } from './serve-flags.ts'

export function buildProgram(): Command {
  const program = new Command('cloche')
    .description('Run code nobody reviewed, in a sandbox of its own, on this machine.')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .helpCommand(true)
    .addHelpText('after', examples)
  addServe(program)
  addRun(program)
  addExecutions(program)
  addLogs(program)
  addEnvironments(program)
  addKeys(program)
  addTenants(program)
  addDoctor(program)
  addVersion(program)
  addCompletion(program)
  for (const command of everyCommand(program)) quiet(command)
  return program
}

const examples = `
Examples:
  cloche serve --port 8080 --data ./data        a server, until Ctrl-C
  cloche run -e 'print(6*7)' --language python  one execution, live
  cloche run script.ts --file data.csv -- --all files and arguments for it
  cloche executions list                        what ran
  cloche doctor                                 what this machine can do`

/** Errors come as exceptions, so that one place (failure.ts) words them all. */
function quiet(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} })
}

export function* everyCommand(command: Command): Generator<Command> {
  yield command
  for (const child of command.commands) yield* everyCommand(child)
}

function clientCommand(parent: Command, usage: string, description: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option('--endpoint <url>', 'the server (CLOCHE_ENDPOINT)')
    .option('--api-key <key>', 'the key (CLOCHE_API_KEY)')
    .option('--data <dir>', 'data folder of a server here, to find both in (CLOCHE_DATA)')
    .option('--json', 'print what the API answered')
}

function addServe(program: Command): void {
  const command = program.command('serve').description('Run the server until it is told to stop')
  for (const { name, value, about } of serveFlags) {
    const flag = `--${name} <${value}>`
    if (name === 'set') command.option(flag, about, collect, [])
    else command.option(flag, about)
  }
  // main.ts calls it without coming here; this is for `cloche serve` after options of the program itself.
  command.action(async (flags) => (await import('./commands/serve.ts')).serveCommand(flags))
}

function addRun(program: Command): void {
  clientCommand(program, 'run [file] [args...]', 'Run code and show its output live; ends with its exit code')
    .passThroughOptions()
    .option('-e, --eval <code>', 'the code itself, instead of a file')
    .option('-c, --command', 'the words that follow are a program of the base tree and its arguments')
    .option('-l, --language <name>', 'python, javascript, typescript, bash or shell; else by the file name')
    .addOption(new Option('-m, --mode <mode>', 'ephemeral, or cached: a warm sandbox of your own'))
    .option('--timeout <duration>', 'then it is killed: 500ms, 30s, 5m')
    .option('--memory <size>', 'memory limit: 512m, 2g')
    .option('--cpu <cores>', 'cpu limit, such as 0.5')
    .option('--disk <size>', 'limit of what it writes')
    .option('--pids <number>', 'limit of its processes')
    .option('--network <policy>', 'none, all, or names and CIDRs with commas between')
    .option(
      '--env <name=value>',
      'a variable; a bare name takes the value from here; repeatable',
      collect,
      [],
    )
    .option('--file <local:remote>', 'a file to put into its /workspace; repeatable', collect, [])
    .option('--output <remote:local>', 'a file or folder to bring back; repeatable', collect, [])
    .option('--cwd <path>', 'its working folder')
    .option('--environment <name>', 'packages it finds installed')
    .option('-i, --stdin', 'pass this stdin on')
    .option('-t, --tty', 'give it a terminal')
    .option('-d, --detach', 'do not wait: print the id of the execution')
    .addHelpText('after', exitCodeHelp)
    .action(async (file, args, flags) => (await import('./commands/run.ts')).runCommand(file, args, flags))
}

const exitCodeHelp = `
Exit codes: the program's own; 128 + n when signal n ended it; 124 out of time; 137 out of memory or
killed; 130 cancelled; 125 when it could not be run at all; 2 when the command line was wrong.`

function addExecutions(program: Command): void {
  const noun = program.command('executions').description('What ran and what runs')
  const actions = (): Promise<typeof import('./commands/executions.ts')> => import('./commands/executions.ts')
  clientCommand(noun, 'list', 'The latest executions')
    .option('--limit <number>', 'how many')
    .option('--cursor <cursor>', 'go on where an earlier list ended')
    .option('--status <status>', 'only those in this status')
    .action(async (flags) => (await actions()).listExecutions(flags))
  clientCommand(noun, 'get <id>', 'All that is known about one').action(async (id, flags) =>
    (await actions()).getExecution(id, flags),
  )
  clientCommand(noun, 'cancel <id>', 'End one that runs or waits').action(async (id, flags) =>
    (await actions()).cancelExecution(id, flags),
  )
  clientCommand(noun, 'delete <id>', 'Forget one that has ended').action(async (id, flags) =>
    (await actions()).deleteExecution(id, flags),
  )
}

function addLogs(program: Command): void {
  clientCommand(program, 'logs <id>', 'What an execution wrote')
    .option('--tail <lines>', 'only the last lines')
    .option('-f, --follow', 'go on until it ends')
    .addOption(new Option('--stream <name>', 'only one of the two').choices(['stdout', 'stderr']))
    .action(async (id, flags) => (await import('./commands/logs.ts')).logsCommand(id, flags))
}

function addEnvironments(program: Command): void {
  const noun = program.command('environments').description('Sets of packages, built once')
  const actions = (): Promise<typeof import('./commands/environments.ts')> =>
    import('./commands/environments.ts')
  clientCommand(noun, 'create <name>', 'Build one')
    .option('--python <package>', 'a pip requirement; repeatable', collect, [])
    .option('--node <package>', 'an npm package; repeatable', collect, [])
    .option('--no-wait', 'do not wait for the end of the build')
    .action(async (name, flags) => (await actions()).createEnvironment(name, flags))
  clientCommand(noun, 'list', 'All of them').action(async (flags) =>
    (await actions()).listEnvironments(flags),
  )
  clientCommand(noun, 'get <name>', 'One of them').action(async (name, flags) =>
    (await actions()).getEnvironment(name, flags),
  )
  clientCommand(noun, 'delete <name>', 'Remove one').action(async (name, flags) =>
    (await actions()).deleteEnvironment(name, flags),
  )
}

function addKeys(program: Command): void {
  const noun = program.command('keys').description('API keys')
  const actions = (): Promise<typeof import('./commands/keys.ts')> => import('./commands/keys.ts')
  clientCommand(noun, 'create <name>', 'Make one; its secret is shown this once')
    .option('--scope <scope>', 'execute, manage or admin; repeatable', collect, [])
    .option('--rate <number>', 'requests per minute')
    .option('--expires <duration>', 'valid for so long: 12h, 90d')
    .option('--tenant <id>', 'for another tenant (needs admin)')
    .action(async (name, flags) => (await actions()).createKey(name, flags))
  clientCommand(noun, 'list', 'All of them').action(async (flags) => (await actions()).listKeys(flags))
  clientCommand(noun, 'revoke <id>', 'Make one useless').action(async (id, flags) =>
    (await actions()).revokeKey(id, flags),
  )
}

function addTenants(program: Command): void {
  const noun = program.command('tenants').description('Who shares nothing with whom (needs an admin key)')
  const actions = (): Promise<typeof import('./commands/tenants.ts')> => import('./commands/tenants.ts')
  clientCommand(noun, 'create <name>', 'Add one').action(async (name, flags) =>
    (await actions()).createTenant(name, flags),
  )
  clientCommand(noun, 'list', 'All of them').action(async (flags) => (await actions()).listTenants(flags))
}

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('What this machine can do, what not, and the remedy')
    .option('--json', 'print it as JSON')
    .option('--data <dir>', 'data folder to look at (CLOCHE_DATA)')
    .action(async (flags) => (await import('./commands/doctor.ts')).doctorCommand(flags))
}

function addVersion(program: Command): void {
  clientCommand(program, 'version', 'Version of this command and of the server').action(async (flags) =>
    (await import('./commands/version.ts')).versionCommand(flags),
  )
}

function addCompletion(program: Command): void {
  program
    .command('completion <shell>')
    .description('Completion for bash, zsh or fish: eval "$(cloche completion bash)"')
    .action(async (shell) => (await import('./commands/completion.ts')).completionCommand(shell, program))
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}
