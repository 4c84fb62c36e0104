/** What one execution does with its code, arguments, environment, input and output, over the public API. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { expectError, streamBytes } from '../support/client.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('each language prints its greeting, and the answer has every field of the contract', async () => {
  const greetings = {
    python: 'print("hello")',
    javascript: 'console.log("hello")',
    typescript: 'const word: string = "hello"; console.log(word)',
    bash: 'echo hello',
    shell: 'echo hello',
  }
  for (const [language, code] of Object.entries(greetings)) {
    const result = await admin.execute({ language, code })
    assert.equal(result.stdout, 'hello\n', language)
    assert.equal(result.stderr, '', language)
    assert.equal(result.status, 'succeeded')
    assert.equal(result.exitCode, 0)
    assert.equal(result.signal, null)
    assert.deepEqual(result.truncated, { stdout: false, stderr: false })
    assert.match(result.executionId, /^[\w-]{8,}$/)
    assert.ok(['cold', 'fork', 'standby'].includes(result.startKind), result.startKind)
    assert.equal(result.mode, 'ephemeral')
    assert.ok(result.durationMs > 0 && result.durationMs < 20_000)
    assert.ok(result.peakMemoryBytes > 0, 'peak memory is read from the kernel')
    assert.ok(result.cpuTimeMs >= 0)
    for (const phase of ['queueMs', 'startMs', 'runMs']) {
      assert.equal(typeof result.phases[phase], 'number', `${phase} of ${language}`)
    }
    assert.ok(Date.parse(result.finishedAt) >= Date.parse(result.createdAt))
  }
})

test('the un-prefixed alias of the quick start answers like the route', async () => {
  const reply = await admin.call('POST', '/execute', { body: { code: 'print(6 * 7)', language: 'python' } })
  assert.equal(reply.status, 200)
  assert.equal(reply.json()['stdout'], '42\n')
})

test('exit codes pass through, and stdout and stderr of a failed run are both kept', async () => {
  for (const code of [1, 2, 42, 127, 255]) {
    const result = await admin.execute({ language: 'bash', code: `echo out; echo err >&2; exit ${code}` })
    assert.deepEqual(
      [result.status, result.exitCode, result.signal, result.stdout, result.stderr],
      ['failed', code, null, 'out\n', 'err\n'],
    )
  }
  const python = await admin.execute({ language: 'python', code: 'import sys\nprint("x")\nsys.exit(7)' })
  assert.deepEqual([python.exitCode, python.stdout], [7, 'x\n'])
  const node = await admin.execute({ language: 'javascript', code: 'console.log("x"); process.exit(9)' })
  assert.deepEqual([node.exitCode, node.stdout], [9, 'x\n'])
})

test('a program that ends itself with a signal reports that signal', async () => {
  const result = await admin.execute({ language: 'python', code: 'import os\nos.kill(os.getpid(), 11)' })
  assert.deepEqual([result.status, result.exitCode, result.signal], ['failed', null, 'SIGSEGV'])
})

test('uncaught errors show the program, the line and the interpreter’s own exit code', async () => {
  const python = await admin.execute({ language: 'python', code: 'a = 1\nraise ValueError("bad " + str(a))' })
  assert.equal(python.exitCode, 1)
  assert.match(python.stderr, /Traceback[\s\S]*main\.py", line 2[\s\S]*ValueError: bad 1/)
  assert.match(python.stderr, /raise ValueError/, 'the traceback shows the source line')
  const node = await admin.execute({ language: 'javascript', code: '\nthrow new TypeError("bad")' })
  assert.equal(node.exitCode, 1)
  assert.match(node.stderr, /main\.m?js:2[\s\S]*TypeError: bad/)
  const syntax = await admin.execute({ language: 'python', code: 'def (' })
  assert.equal(syntax.exitCode, 1)
  assert.match(syntax.stderr, /SyntaxError/)
  const rejected = await admin.execute({ language: 'javascript', code: 'Promise.reject(new Error("late"))' })
  assert.equal(rejected.exitCode, 1)
  assert.match(rejected.stderr, /late/)
})

test('modules of both kinds run, with top-level await and require', async () => {
  const esm = await admin.execute({
    language: 'javascript',
    code: 'import os from "node:os"; await 0; console.log(typeof os.cpus, import.meta.url.startsWith("file:"))',
  })
  assert.equal(esm.stdout, 'function true\n', esm.stderr)
  const cjs = await admin.execute({
    language: 'javascript',
    code: 'const os = require("os"); console.log(typeof os.cpus, typeof module)',
  })
  assert.equal(cjs.stdout, 'function object\n', cjs.stderr)
})

test('a command runs as it is, without a shell in between', async () => {
  const result = await admin.execute({ command: ['printf', '%s|', 'a b', '$HOME', "'"] })
  assert.equal(result.stdout, "a b|$HOME|'|")
  const missing = await admin.execute({ command: ['no-such-program'] })
  assert.equal(missing.status, 'failed')
  assert.equal(missing.exitCode, 127)
  assert.match(missing.stderr, /no-such-program/)
})

test('arguments reach every language as they were sent', async () => {
  const args = ['one', 'two words', '--flag=$x', "it's", 'ünï']
  const programs = {
    python: 'import sys, json\nprint(json.dumps(sys.argv[1:]))',
    javascript: 'console.log(JSON.stringify(process.argv.slice(2)))',
    bash: `python3 -c 'import sys, json; print(json.dumps(sys.argv[1:]))' "$@"`,
  }
  for (const [language, code] of Object.entries(programs)) {
    const result = await admin.execute({ language, code, args })
    assert.deepEqual(JSON.parse(result.stdout), args, language)
  }
})

test('the environment is what was asked plus the documented defaults, and nothing of the server', async () => {
  const request = { env: { GREETING: 'hi there', EMPTY: '', 'lower.dotted': '1' } }
  const expected = {
    GREETING: 'hi there',
    EMPTY: '',
    'lower.dotted': '1',
    HOME: '/workspace',
    USER: 'user',
    LANG: 'C.UTF-8',
  }
  const python = await admin.execute({
    ...request,
    language: 'python',
    code: 'import os, json\nprint(json.dumps(dict(os.environ)))',
  })
  const node = await admin.execute({
    ...request,
    language: 'javascript',
    code: 'console.log(JSON.stringify(process.env))',
  })
  const shell = await admin.execute({
    ...request,
    command: ['python3', '-c', 'import os, json; print(json.dumps(dict(os.environ)))'],
  })
  for (const result of [python, node, shell]) {
    const env = JSON.parse(result.stdout)
    for (const [name, value] of Object.entries(expected)) assert.equal(env[name], value, name)
    assert.equal(env.PATH, '/usr/local/bin:/usr/bin:/bin')
    const extra = Object.keys(env).filter((name) => !(name in expected) && name !== 'PATH' && name !== 'PWD')
    assert.deepEqual(
      extra.filter((name) => !['SHLVL', '_', 'LC_CTYPE', 'TERM', 'OLDPWD'].includes(name)),
      [],
    )
  }
})

test('the working directory is /workspace, or the one that was asked for', async () => {
  const standard = await admin.execute({ language: 'python', code: 'import os\nprint(os.getcwd())' })
  assert.equal(standard.stdout, '/workspace\n')
  const chosen = await admin.execute({
    language: 'bash',
    code: 'pwd; cat note',
    cwd: '/workspace/deep/er',
    files: { 'deep/er/note': 'found' },
  })
  assert.equal(chosen.stdout, '/workspace/deep/er\nfound')
  const missing = await admin.call('POST', '/api/v1/execute', {
    body: { language: 'bash', code: 'pwd', cwd: '/workspace/not-there' },
  })
  assert.ok(missing.status === 400 || missing.json()['status'] === 'failed', missing.text)
  assert.match(missing.text, /not-there|cwd|directory/i)
})

test('standard input arrives whole, as text or bytes, and is empty by default', async () => {
  const text = await admin.execute({ language: 'python', code: 'print(input() + "!")', stdin: 'ping\n' })
  assert.equal(text.stdout, 'ping!\n')
  const bytes = Buffer.from([0, 255, 10, 13, 0, 128])
  const binary = await admin.execute({
    language: 'python',
    code: 'import sys\nprint(sys.stdin.buffer.read().hex())',
    stdin: { base64: bytes.toString('base64') },
  })
  assert.equal(binary.stdout, `${bytes.toString('hex')}\n`)
  const none = await admin.execute({ language: 'bash', code: 'wc -c' })
  assert.equal(none.stdout.trim(), '0')
  const node = await admin.execute({
    language: 'javascript',
    code: 'let n = 0; for await (const c of process.stdin) n += c.length; console.log(n)',
    stdin: 'x'.repeat(300_000),
  })
  assert.equal(node.stdout, '300000\n')
})

test('a 1 MB payload goes in by stdin, by file and by code, and comes back unchanged', async () => {
  const payload = Array.from(
    { length: 16_384 },
    (_, line) => `${line.toString(16).padStart(63, '.')}\n`,
  ).join('')
  assert.equal(payload.length, 1024 * 1024)
  const piped = await admin.execute({ command: ['cat'], stdin: payload })
  assert.equal(piped.stdout, payload)
  const filed = await admin.execute({ command: ['cat', 'big.txt'], files: { 'big.txt': payload } })
  assert.equal(filed.stdout, payload)
  const coded = await admin.execute({ language: 'python', code: `data = """${payload}"""\nprint(len(data))` })
  assert.equal(coded.stdout, `${payload.length}\n`)
})

test('output that is not text comes back as base64 of exactly its bytes', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import sys\nsys.stdout.buffer.write(bytes(range(256)))\nsys.stderr.buffer.write(b"\\xff\\xfe")',
  })
  assert.equal(result.stdoutEncoding, 'base64')
  assert.equal(result.stderrEncoding, 'base64')
  assert.deepEqual(streamBytes(result, 'stdout'), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))
  assert.deepEqual(streamBytes(result, 'stderr'), Buffer.from([255, 254]))
  const text = await admin.execute({ language: 'python', code: 'print("héllo 🌱")' })
  assert.deepEqual([text.stdoutEncoding, text.stdout], ['utf8', 'héllo 🌱\n'])
})

test('two ephemeral runs share nothing', async () => {
  const leave =
    'echo secret > /workspace/left; echo secret > /tmp/left; echo secret > /dev/shm/left; (sleep 60 &)'
  await admin.execute({ language: 'bash', code: leave })
  const look = await admin.execute({
    language: 'bash',
    code: 'ls -A /workspace /tmp /dev/shm /var/tmp; for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; echo; done',
  })
  assert.doesNotMatch(look.stdout, /left|sleep/)
})

test('snake_case spellings of the seed are accepted', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import os\nprint(os.environ["A"])',
    env_vars: { A: 'snake' },
    timeout_ms: 5000,
    resources: { cpu_cores: 1, memory_mb: 128 },
  })
  assert.equal(result.stdout, 'snake\n')
})

test('invalid JSON, a missing command, unknown keys and wrong types are 400 with the path', async () => {
  const post = (body: unknown) => admin.call('POST', '/api/v1/execute', { body })
  expectError(await post('{"code": '), 400)
  expectError(await post({}), 400)
  expectError(await post({ language: 'python' }), 400)
  expectError(await post({ command: [] }), 400)
  const unknown = expectError(await post({ language: 'python', code: '1', colour: 'red' }), 400)
  assert.match(`${unknown['detail']} ${unknown['hint']}`, /colour/)
  const nested = expectError(
    await post({ language: 'python', code: '1', resources: { memoryMb: 'lots' } }),
    400,
  )
  assert.match(String(nested['detail']), /resources[./]memoryMb/)
  const language = expectError(await post({ language: 'cobol', code: '1' }), 400)
  assert.match(`${language['detail']} ${language['hint']}`, /python/, 'the hint names what can be used')
  expectError(await post({ language: 'python', code: '1', command: ['true'] }), 400)
  expectError(await post({ language: 'python', code: '1', environment: 'never-made' }), 404)
})

test('what does not exist yet says so', async () => {
  for (const mode of ['checkpointed', 'branched', 'persistent']) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'python', code: '1', mode },
    })
    expectError(reply, 501, 'mode_not_available')
  }
})
