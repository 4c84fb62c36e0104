/** Times other programs through a small C process, so that this one's size does not weigh on what it measures. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const benchDir = dirname(dirname(fileURLToPath(import.meta.url)))
const sourcePath = join(benchDir, 'programs', 'stopwatch.c')
const binaryPath = join(dirname(benchDir), 'build', 'bench', 'stopwatch')

export interface Stopwatch {
  readonly name: string
  /** Runs the command once; milliseconds from spawn to reaped. Rejects if it did not exit with 0. */
  once(): Promise<number>
  close(): void
}

function compiled(): string {
  if (!existsSync(binaryPath) || statSync(binaryPath).mtimeMs < statSync(sourcePath).mtimeMs) {
    mkdirSync(dirname(binaryPath), { recursive: true })
    execFileSync('cc', ['-O2', '-Wall', '-Werror', '-o', binaryPath, sourcePath])
  }
  return binaryPath
}

/** `enter` is a command prefix that prepares where the stopwatch itself runs, so that it costs the runs nothing. */
export function stopwatch(
  name: string,
  command: readonly string[],
  enter: readonly string[] = [],
): Stopwatch {
  const [file = '', ...args] = [...enter, compiled(), ...command]
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-2000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    name,
    async once() {
      child.stdin.write('go\n')
      const line = await lines.next()
      if (line.done === true) throw new Error(`${name}: the stopwatch ended: ${complaint}`)
      const [nanoseconds = '0', status = '-1'] = line.value.split(' ')
      if (status !== '0') throw new Error(`${name}: wait status ${status}: ${complaint}`)
      return Number(nanoseconds) / 1e6
    },
    close: () => child.stdin.end(),
  }
}
