// Completion scripts, made from the tree of commands itself, so that they know every noun, verb and flag there is.
import type { Command } from 'commander'
import { CliError } from '../failure.ts'
import { printResult } from '../output.ts'

export function completionCommand(shell: string, program: Command): void {
  const words = wordsByPath(program)
  switch (shell) {
    case 'bash':
      return printResult(bash(words))
    case 'zsh':
      return printResult(`autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`)
    case 'fish':
      return printResult(fish(program))
    default:
      throw new CliError(
        'The command line was not understood',
        `there is no completion for "${shell}"`,
        'cloche completion bash, zsh or fish',
      )
  }
}

/** `executions list` → its flags and verbs. */
function wordsByPath(program: Command): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const visit = (command: Command, path: readonly string[]): void => {
    const verbs = command.commands.map((child) => child.name())
    found.set(path.join(' '), [...verbs, ...flagsOf(command)])
    for (const child of command.commands) visit(child, [...path, child.name()])
  }
  visit(program, [])
  return found
}

function flagsOf(command: Command): string[] {
  return command.options.flatMap((option) => option.long ?? [])
}

function bash(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([path, list]) => `    "${path}") words="${list.join(' ')}" ;;`)
  return `_cloche() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  local known="|${[...words.keys()].join('|')}|"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$known" in *"|\${path:+$path }$word|"*) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _cloche cloche
`
}

function fish(program: Command): string {
  const lines: string[] = []
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`
  const visit = (command: Command, path: readonly string[]): void => {
    const here =
      path.length === 0
        ? '__fish_use_subcommand'
        : path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    for (const child of command.commands) {
      lines.push(`complete -c cloche -f -n '${here}' -a ${child.name()} -d ${quoted(child.description())}`)
      visit(child, [...path, child.name()])
    }
    for (const option of command.options) {
      if (option.long)
        lines.push(
          `complete -c cloche -n '${here}' -l ${option.long.slice(2)} -d ${quoted(option.description)}`,
        )
    }
  }
  visit(program, [])
  return `${lines.join('\n')}\n`
}
