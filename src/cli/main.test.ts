import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { buildProgram, everyCommand } from './program.ts'

const main = join(import.meta.dirname, 'main.ts')

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The command line as a process of its own, knowing only what is given here. */
function cloche(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const given = { PATH: process.env['PATH'] ?? '', CLOCHE_DATA: '/nonexistent', ...env }
  return new Promise((resolve) => {
    const command = ['--disable-warning=ExperimentalWarning', main, ...args]
    const child = execFile(
      process.execPath,
      command,
      { env: given, timeout: 30_000 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        resolve({ code, stdout, stderr })
      },
    )
    child.stdin?.end()
  })
}

/** A server that answers every request alike, and remembers the keys it was shown. */
async function peer(t: TestContext, body: object): Promise<{ url: string; keys: (string | undefined)[] }> {
  const keys: (string | undefined)[] = []
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // a TCP server that listens has one
  return { url: `http://127.0.0.1:${port}`, keys }
}

function dataFolder(t: TestContext, endpoint?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-cli-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'run'))
  writeFileSync(join(folder, 'admin.key'), 'clo_local\n')
  if (endpoint !== undefined) writeFileSync(join(folder, 'run', 'endpoint'), `${endpoint}\n`)
  return folder
}

/** A port nobody listens on: the kernel gives out none below 1024 by itself. */
const nobody = 'http://127.0.0.1:2'
const empty = { executions: [], nextCursor: null }

test('without a server, a command says so in three lines and how to get one', async () => {
  for (const args of [
    ['executions', 'list'],
    ['run', '-e', 'true', '-l', 'bash'],
  ]) {
    const { code, stdout, stderr } = await cloche([...args, '--endpoint', nobody])
    assert.equal(stdout, '')
    assert.match(
      stderr,
      /^cloche: There is no server at http:\/\/127\.0\.0\.1:2 \[connection_failed\]\n {2}why: .*ECONNREFUSED.*\n {2}try: .*make up.*cloche serve.*\n$/,
    )
    assert.equal(code, args[0] === 'run' ? 125 : 1)
  }
})

test('a wrong command line ends with 2 and says what to write', async () => {
  for (const args of [
    ['frob'],
    ['executions', 'list', '--nope'],
    ['run'],
    ['executions', 'list', '--status', 'odd'],
  ]) {
    const { code, stdout, stderr } = await cloche(args)
    assert.deepEqual([code, stdout, stderr.split('\n').length], [2, '', 4], stderr)
    assert.match(stderr, /\[usage\]/)
  }
})

test('a server here is found by its data folder, its key included', async (t) => {
  const { url, keys } = await peer(t, empty)
  const { code, stderr } = await cloche(['executions', 'list', '--data', dataFolder(t, url)])
  assert.equal(code, 0, stderr)
  assert.deepEqual(keys, ['Bearer clo_local'])
})

test('the data folder’s key is never sent to another server than its own', async (t) => {
  const { url, keys } = await peer(t, empty)
  for (const folder of [dataFolder(t, nobody), dataFolder(t)]) {
    const { code, stderr } = await cloche(['executions', 'list', '--endpoint', url, '--data', folder])
    assert.equal(code, 1)
    assert.match(stderr, /\[no_api_key\]/)
  }
  assert.deepEqual(keys, [undefined, undefined], 'it was only asked whether it is there')
})

test('--json prints what the API answered, and nothing else', async (t) => {
  const { url } = await peer(t, empty)
  const { stdout, stderr } = await cloche(['executions', 'list', '--json'], {
    CLOCHE_ENDPOINT: url,
    CLOCHE_API_KEY: 'clo_x',
  })
  assert.deepEqual([JSON.parse(stdout), stderr], [empty, ''])
})

test('every command has help with a description', async () => {
  for (const command of everyCommand(buildProgram())) {
    if (command.parent !== null) assert.notEqual(command.description(), '', command.name())
  }
  const { code, stdout } = await cloche(['run', '--help'])
  assert.equal(code, 0)
  assert.match(stdout, /Exit codes/)
})

test('completion is a script the shell accepts, and completes verbs and flags of where one is', async () => {
  const { stdout } = await cloche(['completion', 'bash'])
  const ask = `${stdout}
COMP_WORDS=(cloche executions ""); COMP_CWORD=2; _cloche; echo "\${COMPREPLY[@]}"
COMP_WORDS=(cloche run file.py --netw); COMP_CWORD=3; _cloche; echo "\${COMPREPLY[@]}"`
  const shell = spawnSync('bash', ['-c', ask], { encoding: 'utf8' })
  assert.deepEqual(
    [shell.stdout.split('\n').slice(0, 2), shell.stderr],
    [['list get cancel delete', '--network'], ''],
  )
  for (const kind of ['zsh', 'fish']) assert.equal((await cloche(['completion', kind])).code, 0)
})

test('version answers without a server', async () => {
  const { code, stdout } = await cloche(['version', '--json', '--endpoint', nobody])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).server, null)
})
