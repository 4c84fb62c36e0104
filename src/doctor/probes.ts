/**
 * The doctor's eyes: the few ways it looks at the machine, so that a test can show it another machine. Nothing here
 * judges, and nothing throws: what cannot be seen is undefined.
 */
import { execFile } from 'node:child_process'
import { access, readFile, statfs } from 'node:fs/promises'
import { release } from 'node:os'

export interface Probes {
  readonly uid: number
  readonly kernelRelease: string
  readonly architecture: string
  read(path: string): Promise<string | undefined>
  exists(path: string): Promise<boolean>
  /** Free bytes for an ordinary user on the file system that holds the path, or would. */
  freeBytes(path: string): Promise<number | undefined>
  /** Undefined when there is no such command, or it did not end in time. */
  run(file: string, args: readonly string[]): Promise<Ran | undefined>
}

export interface Ran {
  readonly code: number
  readonly output: string
}

const COMMAND_DEADLINE_MS = 5_000

export const systemProbes: Probes = {
  uid: process.geteuid?.() ?? -1,
  kernelRelease: release(),
  architecture: process.arch,
  read: (path) => readFile(path, 'utf8').catch(() => undefined),
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  freeBytes: (path) =>
    statfs(path).then(
      (space) => space.bavail * space.bsize,
      () => undefined,
    ),
  run,
}

function run(file: string, args: readonly string[]): Promise<Ran | undefined> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: COMMAND_DEADLINE_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      // A code that is a word (ENOENT), or none at all (killed), means that the command never had its say.
      resolve(typeof code === 'number' ? { code, output: stdout + stderr } : undefined)
    })
  })
}
