/**
 * The repository as the rules see it: its files (tracked, or new and not ignored), and what each of them says.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const home = resolve(import.meta.dirname, '../..')

const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: home,
  encoding: 'utf8',
})

/** Every file, by its path from the root of the repository. */
export const files: readonly string[] = [...new Set(listed.split('\0'))]
  .filter((path) => path !== '' && existsSync(join(home, path)) && statSync(join(home, path)).isFile())
  .sort()

export function read(path: string): string {
  return readFileSync(join(home, path), 'utf8')
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

export function sourcesUnder(folder: string, ending = '.ts'): string[] {
  return files.filter((path) => path.startsWith(`${folder}/`) && path.endsWith(ending))
}

/** TypeScript or C with its comments blanked, lines kept, so that rules judge code and not prose. */
export function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** `path:line: text` of every line of code that matches. */
export function linesMatching(path: string, pattern: RegExp, text = read(path)): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [],
    )
}
