/**
 * The real server as a child process: started by its own command line, found by its ready line, spoken to with the
 * admin key it wrote. One per test file. A file that dies takes its server with it (the child's exit hook below).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, type Endpoint, makeClient } from './client.ts'
import { eventually, within } from './eventually.ts'
import { clochePath, requireRealPlatform } from './requirements.ts'
import type { TestNetwork } from './test-network.ts'

export interface ServerOptions {
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** Runs the server in this network namespace instead of the machine's own. */
  readonly network?: TestNetwork
}

export interface TestServer {
  readonly url: string
  readonly endpoint: Endpoint
  readonly dataDir: string
  readonly pid: number
  readonly adminKey: string
  readonly admin: Client
  /** Everything the server has printed so far, for failure messages. */
  output(): string
  /** Ends the server as an operator would and removes its data. */
  stop(): Promise<void>
  /** Ends the server without removing its data; gives its exit code. */
  terminate(): Promise<number | null>
  /** `kill -9` of the server process alone. */
  kill(): Promise<void>
}

const readyLine = /cloche ready (http:\/\/[^\s]+)/
const startTimeoutMs = 180_000
const stopTimeoutMs = 30_000
const livingServers = new Set<ChildProcess>()
/** Servers that a test is ending; any other end is a crash and is shown. */
const endingServers = new WeakSet<ChildProcess>()
process.once('exit', () => {
  for (const child of livingServers) child.kill('SIGKILL')
})

function commandFor(options: ServerOptions, dataDir: string): [string, string[]] {
  const serve = [clochePath, 'serve', '--port', '0', '--data', dataDir, ...(options.args ?? [])]
  const inside = options.network?.enterServerSide() ?? []
  const [file, ...rest] = [...inside, ...serve]
  if (file === undefined) throw new Error('unreachable: the command line is never empty')
  return [file, rest]
}

function start(options: ServerOptions, dataDir: string): { child: ChildProcess; output: () => string } {
  const [file, args] = commandFor(options, dataDir)
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      CLOCHE_BASE_DIR: process.env['CLOCHE_BASE_DIR'] ?? '/var/lib/cloche/base',
      ...options.env,
    },
  })
  let printed = ''
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString('utf8')).slice(-256 * 1024)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  livingServers.add(child)
  child.once('exit', (code, signal) => {
    livingServers.delete(child)
    if (endingServers.has(child)) return
    process.stderr.write(
      `the server ended by itself (${signal ?? code}); it had printed:\n${printed.slice(-8000)}\n`,
    )
  })
  return { child, output: () => printed }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}

async function readyUrl(child: ChildProcess, output: () => string): Promise<URL> {
  const line = await eventually(
    () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        return 'gone'
      }
      return readyLine.exec(output())?.[1]
    },
    { withinMs: startTimeoutMs, what: `the server's ready line; it printed:\n${output()}` },
  )
  if (line === 'gone') throw new Error(`the server ended before it was ready; it printed:\n${output()}`)
  return new URL(line)
}

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  requireRealPlatform()
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'cloche-test-'))
  const { child, output } = start(options, dataDir)
  const url = await readyUrl(child, output)
  const port = Number(url.port)
  const bridge = options.network === undefined ? undefined : await options.network.bridgeTo(port)
  const endpoint: Endpoint = {
    host: url.hostname,
    port,
    ...(bridge === undefined ? {} : { socketPath: bridge.socketPath }),
  }
  const adminKey = readFileSync(join(dataDir, 'admin.key'), 'utf8').trim()
  const admin = makeClient(endpoint, adminKey)
  const terminate = async (): Promise<number | null> => {
    admin.close()
    bridge?.close()
    endingServers.add(child)
    child.kill('SIGTERM')
    return within(exitOf(child), stopTimeoutMs, `the server's end after SIGTERM; it printed:\n${output()}`)
  }
  return {
    url: url.origin,
    endpoint,
    dataDir,
    pid: child.pid ?? 0,
    adminKey,
    admin,
    output,
    terminate,
    async stop() {
      await terminate()
      rmSync(dataDir, { recursive: true, force: true })
    },
    async kill() {
      admin.close()
      bridge?.close()
      endingServers.add(child)
      child.kill('SIGKILL')
      await exitOf(child)
    },
  }
}
