/**
 * The SDK as somebody else gets it: compiled by its own build, packed by its own file list, found under its own name by a
 * program in a folder of its own.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { node24Path, projectRoot } from './requirements.ts'

export interface SdkPlace {
  /** A folder in which `@cloche/sdk` can be imported. */
  readonly folder: string
  /** Runs a TypeScript program there and gives what it printed; fails with its stderr. */
  run(source: string, env: Readonly<Record<string, string>>): string
  /** Fails when the program does not fit the SDK's published types. */
  checkTypes(source: string): void
  remove(): void
}

const sdk = join(projectRoot, 'sdk', 'typescript')
const compiler = join(projectRoot, 'node_modules', '.bin', 'tsc')

export function installSdk(): SdkPlace {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-sdk-'))
  const target = join(folder, 'node_modules', '@cloche', 'sdk')
  mkdirSync(target, { recursive: true })
  cpSync(join(sdk, 'package.json'), join(target, 'package.json'))
  run(compiler, ['-p', join(sdk, 'tsconfig.json'), '--outDir', join(target, 'dist')], folder)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const write = (source: string): string => {
    const path = join(folder, 'example.ts')
    writeFileSync(path, source)
    return path
  }
  return {
    folder,
    run: (source, env) => run(node24Path, ['--no-warnings', write(source)], folder, env),
    checkTypes: (source) => {
      const types = ['--types', 'node', '--typeRoots', join(projectRoot, 'node_modules', '@types')]
      const modern = ['--module', 'nodenext', '--target', 'es2024', '--strict', '--skipLibCheck']
      run(compiler, ['--noEmit', ...modern, ...types, write(source)], folder)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function run(file: string, args: string[], cwd: string, env: Readonly<Record<string, string>> = {}): string {
  return execFileSync(file, args, {
    cwd,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
