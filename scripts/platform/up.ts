/**
 * `make up`: starts the platform in the background unless it runs already, runs first executions, says what to try next.
 *
 * Settings: DATA (folder), PORT (default 8080, or the next free one), HOST (default 127.0.0.1).
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { runDemo } from './demo.ts'
import {
  defaultData,
  forgetRecord,
  type Place,
  placeFrom,
  runningServer,
  type ServerRecord,
  startTicks,
  writeRecord,
} from './place.ts'

const startTimeoutMs = 180_000
const machineBase = '/var/lib/cloche/base'

async function up(): Promise<void> {
  const place = placeFrom(process.env)
  const known = runningServer(place)
  if (known) say(`Cloche is already running: ${known.url} (process ${known.pid})`)
  const server = known ?? (await start(place))
  const key = readFileSync(place.adminKey, 'utf8').trim()
  say('First executions, over the public API:\n')
  await runDemo(server.url, key)
  sayWhatNext(place, server)
}

async function start(place: Place): Promise<ServerRecord> {
  forgetRecord(place)
  mkdirSync(place.data, { recursive: true, mode: 0o755 })
  const host = process.env['HOST'] || '127.0.0.1'
  const port = process.env['PORT'] ? Number(process.env['PORT']) : await freePort(host, 8080)
  const log = openSync(place.log, 'a', 0o600)
  const from = statSync(place.log).size
  const args = ['serve', '--port', String(port), '--host', host, '--data', place.data]
  // A session of its own: the server outlives this terminal.
  const child = spawn(`${place.home}/bin/cloche`, args, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: { ...withoutMake(process.env), CLOCHE_BASE_DIR: baseDir(place) },
  })
  closeSync(log)
  let ended: string | undefined
  child.once('error', (error) => (ended = error.message))
  child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? `exit code ${code}`}`))
  const url = await readyUrl(place, from, () => ended)
  child.unref()
  const record = { pid: child.pid ?? 0, startedTicks: startTicks(child.pid ?? 0) ?? '', url }
  writeRecord(place, record)
  say(`Cloche is up: ${url} (process ${record.pid})`)
  return record
}

function baseDir(place: Place): string {
  return process.env['CLOCHE_BASE_DIR'] || (existsSync(machineBase) ? machineBase : `${place.data}/base`)
}

/** What make adds for its own children is none of the server's business. */
function withoutMake(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const makes = /^(MAKE.*|MFLAGS|DATA|PORT|HOST)$/
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !makes.test(name)))
}

async function readyUrl(place: Place, from: number, ended: () => string | undefined): Promise<string> {
  const deadline = performance.now() + startTimeoutMs
  for (;;) {
    const printed = readFileSync(place.log).subarray(from).toString('utf8')
    const url = /^cloche ready (http\S+)$/m.exec(printed)?.[1]
    if (url) return url
    const why =
      ended() ??
      (performance.now() > deadline ? `it was not ready after ${startTimeoutMs / 1000} s` : undefined)
    if (why)
      throw new Error(`the server did not start: ${why}. The end of ${place.log}:\n${printed.slice(-2000)}`)
    await sleep(25)
  }
}

async function freePort(host: string, first: number): Promise<number> {
  for (let port = first; port < first + 100; port++) if (await isFree(host, port)) return port
  throw new Error(`no free port between ${first} and ${first + 99} on ${host}: name one with PORT=`)
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, host, () => probe.close(() => resolve(true)))
  })
}

function sayWhatNext(place: Place, server: ServerRecord): void {
  // The key is root's to read; whoever came here through sudo reads it the same way.
  const key = `$(${process.env['SUDO_USER'] ? 'sudo ' : ''}cat ${place.adminKey})`
  const where = place.data === defaultData ? '' : ` DATA=${place.data}`
  say(`
  URL        ${server.url}
  admin key  ${place.adminKey}
  log        make logs${where}

Try next:
  curl -s ${server.url}/api/v1/execute -H "Authorization: Bearer ${key}" \\
    -H 'content-type: application/json' -d '{"language":"python","code":"print(6 * 7)"}'
  CLOCHE_ENDPOINT=${server.url} CLOCHE_API_KEY=${key} bin/cloche run -e 'print(6 * 7)' --language python
  bin/cloche doctor
  make down${where}`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  await up()
} catch (error) {
  process.stderr.write(`make up: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
