/** The command line against the real server: output live, exit codes passed on, input, files, terminals, Ctrl-C. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually, within } from '../support/eventually.ts'
import { clochePath } from '../support/requirements.ts'
import { startServer } from '../support/server.ts'

// An index that is not there: builds fail at once, and nothing leaves the machine.
const server = await startServer({
  env: { CLOCHE_ENVIRONMENTS_PIP_INDEX_URL: 'http://127.0.0.1:2/simple' },
})
const folder = mkdtempSync(join(tmpdir(), 'cloche-cli-test-'))
after(async () => {
  rmSync(folder, { recursive: true, force: true })
  await server.stop()
})

interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly code: Promise<number | null>
}

/** Finds server and key as on any machine: in the data folder. */
function begin(args: readonly string[], input = ''): Running {
  const child = spawn(clochePath, args, { cwd: folder, env: { ...process.env, CLOCHE_DATA: server.dataDir } })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, stdout: () => stdout, stderr: () => stderr, code }
}

async function cloche(args: readonly string[], input = '') {
  const running = begin(args, input)
  const code = await within(running.code, 60_000, `cloche ${args.join(' ')}`)
  return { code, stdout: running.stdout(), stderr: running.stderr() }
}

const python = (code: string): string[] => ['run', '-l', 'python', '-e', code]
const bash = (code: string): string[] => ['run', '-l', 'bash', '-e', code]

test('what the program writes comes out unmixed, and its exit code is ours', async () => {
  const { code, stdout, stderr } = await cloche(
    python('import sys; print("out"); print("err", file=sys.stderr); sys.exit(7)'),
  )
  assert.deepEqual([code, stdout, stderr], [7, 'out\n', 'err\n'])
})

test('ends that are no exit of the program have codes scripts know', async () => {
  const ends = await Promise.all([
    cloche([...bash('sleep 30'), '--timeout', '300ms']),
    cloche([...python('x = bytearray(10 ** 9)'), '--memory', '64m']),
    cloche(bash('kill -TERM $$')),
    cloche(['run', '--mode', 'persistent', '-l', 'bash', '-e', 'true']),
  ])
  assert.deepEqual(
    ends.map(({ code }) => code),
    [124, 137, 143, 125],
  )
  assert.match(ends[0].stderr, /ran out of time/)
  assert.match(ends[3].stderr, /mode_not_available/)
})

test('output is live', async () => {
  const running = begin(bash('echo first; sleep 30'))
  await eventually(() => running.stdout().includes('first') || undefined, {
    withinMs: 10_000,
    what: 'the first line',
  })
  running.child.kill('SIGINT')
  assert.equal(await within(running.code, 10_000, 'the end after Ctrl-C'), 130)
})

for (const json of [false, true]) {
  test(`Ctrl-C ends the execution too${json ? ', also when nothing is shown live' : ''}`, async () => {
    const running = begin([...bash('sleep 30'), '--env', 'MARK=1', ...(json ? ['--json'] : [])])
    const id = await eventually(async () => (await list('running'))[0]?.executionId, {
      withinMs: 10_000,
      what: 'the running execution',
    })
    // Live, the id has to have reached the command first; before that it just leaves, which ends the run as well.
    running.child.kill('SIGINT')
    assert.equal(await within(running.code, 10_000, 'the end after Ctrl-C'), 130)
    await eventually(
      async () => ((await list('killed')).some((one) => one.executionId === id) ? true : undefined),
      {
        withinMs: 10_000,
        what: 'the end of the execution',
      },
    )
  })
}

async function list(status: string): Promise<{ executionId: string }[]> {
  const { stdout } = await cloche(['executions', 'list', '--json', '--status', status])
  return JSON.parse(stdout).executions
}

test('stdin is passed on with --stdin, and is at its end without', async () => {
  const input = 'line\n'.repeat(200_000)
  assert.equal((await cloche(['run', '--stdin', '--command', 'wc', '-c'], input)).stdout, `${input.length}\n`)
  assert.equal((await cloche(['run', '--command', 'wc', '-c'], input)).stdout, '0\n')
})

test('a file with arguments runs in the language of its name; files go in, and outputs come back', async () => {
  writeFileSync(
    join(folder, 'program.ts'),
    'enum E { A = 3 }\nconsole.log(E.A, process.argv.slice(2).join("|"))',
  )
  assert.equal((await cloche(['run', 'program.ts', '--flag', 'a b'])).stdout, '3 --flag|a b\n')
  writeFileSync(join(folder, 'in.bin'), Buffer.from([0, 255, 7]))
  const made = 'mkdir -p out/deep && cp data/x out/deep/y && ln -s /etc out/link && echo t > out/t'
  const { code, stderr } = await cloche([
    ...['run', '--file', 'in.bin:data/x', '--output', 'out:back', '--output', 'nothing'],
    ...['-l', 'bash', '-e', made],
  ])
  assert.equal(code, 0, stderr)
  assert.deepEqual([...readFileSync(join(folder, 'back', 'deep', 'y'))], [0, 255, 7])
  assert.equal(readFileSync(join(folder, 'back', 't'), 'utf8'), 't\n')
  assert.match(stderr, /left nothing at nothing/)
})

test('a reader that leaves ends the command quietly, as SIGPIPE would', async () => {
  const flood = `${clochePath} run -l python -e 'while True: print("y" * 1000)' | head -c 10; echo " \${PIPESTATUS[0]}"`
  const child = spawn('bash', ['-c', flood], { env: { ...process.env, CLOCHE_DATA: server.dataDir } })
  let output = ''
  let complaints = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (complaints += chunk))
  await within(new Promise((resolve) => child.once('close', resolve)), 20_000, 'the end of the pipe')
  assert.deepEqual([output.trim(), complaints], ['yyyyyyyyyy 141', ''])
})

test('detached runs are found again: get, logs with follow, delete', async () => {
  const { stdout } = await cloche([...bash('echo a; sleep 0.5; echo b'), '--detach'])
  const id = stdout.trim()
  assert.equal((await cloche(['logs', '--follow', id])).stdout, 'a\nb\n')
  assert.equal((await cloche(['logs', '--tail', '1', id])).stdout, 'b\n')
  assert.match((await cloche(['executions', 'get', id])).stdout, /status +succeeded/)
  assert.equal((await cloche(['executions', 'delete', id])).code, 0)
  const gone = await cloche(['executions', 'get', id])
  assert.equal(gone.code, 1)
  assert.match(gone.stderr, /\[not_found\]/)
})

test('keys are made, used and revoked', async () => {
  const made = await cloche([
    'keys',
    'create',
    'ci',
    '--scope',
    'execute',
    '--rate',
    '100',
    '--expires',
    '1h',
    '--json',
  ])
  const { key, keyId } = JSON.parse(made.stdout)
  assert.equal((await cloche(['run', '--api-key', key, '-l', 'bash', '-e', 'echo ok'])).stdout, 'ok\n')
  assert.match((await cloche(['keys', 'list', '--api-key', key])).stderr, /\[forbidden\]/)
  assert.equal((await cloche(['keys', 'revoke', keyId])).code, 0)
  const refused = await cloche(['run', '--api-key', key, '-l', 'bash', '-e', 'echo ok'])
  assert.deepEqual([refused.code, refused.stdout], [125, ''])
  assert.match(refused.stderr, /\[key_revoked\]/)
})

test('a terminal: its size, keys as they are typed, and the exit code', async () => {
  // `script` gives the command a terminal of its own, as a person has.
  const inside = `stty cols 91 rows 33; exec ${clochePath} run -t --command bash --norc`
  const child = spawn('script', ['-qec', inside, '/dev/null'], {
    env: { ...process.env, CLOCHE_DATA: server.dataDir, SHELL: '/bin/bash' },
  })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const sees = (text: string): Promise<unknown> =>
    eventually(() => output.includes(text) || undefined, { withinMs: 15_000, what: `${text} in ${output}` })
  await sees('$')
  child.stdin.write('stty size\n')
  await sees('33 91')
  child.stdin.write('sleep 60\n')
  await sees('sleep 60')
  child.stdin.write('\u0003')
  child.stdin.write('echo back=$?\n')
  await sees('back=130')
  child.stdin.write('exit 9\n')
  assert.equal(await within(code, 10_000, 'the end of the terminal'), 9)
})

test('an environment whose build fails says why, and ends with 1', async () => {
  const { code, stdout } = await cloche([
    'environments',
    'create',
    'broken',
    '--python',
    'no-such-package-of-cloche==9',
  ])
  assert.equal(code, 1)
  assert.match(stdout, /status +failed[\s\S]*reason +\S/)
  assert.match((await cloche(['environments', 'list'])).stdout, /broken +failed/)
  assert.equal((await cloche(['environments', 'delete', 'broken'])).code, 0)
})

test('doctor says that code can be run here', async () => {
  const { code, stdout } = await cloche(['doctor', '--json'])
  assert.equal(code, 0, stdout)
  assert.equal(JSON.parse(stdout).canRunCode, true)
})

test('a second server on the same data folder says so and ends', async () => {
  const { code, stderr } = await cloche(['serve', '--port', '0', '--data', server.dataDir])
  assert.notEqual(code, 0)
  assert.match(stderr, /cloche: .*\[\w+\]/)
})

test('settings that are wrong are told all at once', async () => {
  const { code, stderr } = await cloche([
    'serve',
    '--port',
    'many',
    '--set',
    'limits.pidz=3',
    '--data',
    folder,
  ])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /port.*limits\.pidz.*did you mean "limits\.pids"|limits\.pidz.*did you mean "limits\.pids".*port/s,
  )
})
