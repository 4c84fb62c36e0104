/** The TypeScript SDK against the real server, and as others get it: compiled, packed, under its own name. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket as TcpSocket } from 'node:net'
import { after, test } from 'node:test'
import {
  bytesOf,
  Cloche,
  ConnectionError,
  EnvironmentUnknownError,
  ExecutionNotRunningError,
  FaaSClient,
  InvalidRequestError,
  ModeNotAvailableError,
  NotFoundError,
  type StreamEvent,
  UnauthorizedError,
} from '../../sdk/typescript/src/index.ts'
import { eventually } from '../support/eventually.ts'
import { servePackages } from '../support/package-indexes.ts'
import { installSdk } from '../support/sdk-package.ts'
import { startServer } from '../support/server.ts'

const indexes = await servePackages(
  [{ name: 'greeter', version: '1.0.0', files: { 'greeter.py': 'word = "hello"\n' } }],
  [],
)
const server = await startServer({
  env: {
    CLOCHE_ENVIRONMENTS_PIP_INDEX_URL: indexes.pipIndexUrl,
    CLOCHE_ENVIRONMENTS_NPM_REGISTRY: indexes.npmRegistryUrl,
    CLOCHE_EGRESS_ALLOW_PRIVATE: '127.0.0.0/8',
  },
})
after(async () => {
  await server.stop()
  indexes.close()
})
const cloche = new Cloche({ endpoint: server.url, apiKey: server.adminKey })

/** The documents' own examples, with only the package's name changed. */
const seedExample = `import { FaaSClient } from '@cloche/sdk';

const client = new FaaSClient({
  apiKey: process.env.KEY!,
  endpoint: process.env.URL!
});

// Ephemeral execution
const result = await client.execute({
  code: 'console.log("Hello World")',
  language: 'javascript',
  mode: 'ephemeral'
});

const executionId = result.executionId;
const stream = client.stream(executionId);
stream.on('output', (data) => console.log(data));
stream.on('error', (error) => console.error(error));
stream.on('complete', (exitCode) => console.log('Done:', exitCode));
`

test('the well-known example runs with only the package’s name changed, types included', () => {
  const sdk = installSdk()
  try {
    sdk.checkTypes(seedExample)
    const printed = sdk.run(seedExample, { KEY: server.adminKey, URL: server.url })
    assert.equal(printed, 'Hello World\n\nDone: 0\n')
  } finally {
    sdk.remove()
  }
})

test('the client has its second name', () => {
  assert.equal(FaaSClient, Cloche)
})

test('every language’s shortcut runs its language', async () => {
  const results = await Promise.all([
    cloche.runPython('import sys; print("py", sys.argv[1:])', { args: ['a b'] }),
    cloche.runJavaScript('console.log("js", typeof require)'),
    cloche.runTypeScript('enum E { A = 2 }\nconst n: number = E.A\nconsole.log("ts", n)'),
    cloche.runBash('echo "sh $X"', { env: { X: "it's" } }),
  ])
  assert.deepEqual(
    results.map(({ stdout }) => stdout.trim().split(' ')[0]),
    ['py', 'js', 'ts', 'sh'],
  )
  assert.equal(results[0].stdout, "py ['a b']\n")
  assert.equal(results[3].stdout, "sh it's\n")
})

test('bytes go in and come back as they were, small in JSON and large as a form', async () => {
  for (const size of [1000, 1_500_000]) {
    const bytes = new Uint8Array(randomBytes(size))
    const result = await cloche.execute({
      command: ['sh', '-c', 'cat in/data.bin > out.bin; sha256sum < out.bin; cat -'],
      files: { 'in/data.bin': bytes, 'note.txt': { text: 'hi', mode: 0o600 } },
      stdin: new Uint8Array([0, 255, 10]),
      outputs: ['out.bin', 'absent'],
    })
    assert.equal(result.status, 'succeeded', result.stderr)
    assert.equal(result.stdoutEncoding, 'base64')
    const printed = Buffer.from(result.stdout, 'base64')
    assert.ok(printed.includes(createHash('sha256').update(bytes).digest('hex')))
    assert.deepEqual([...printed.subarray(-3)], [0, 255, 10])
    assert.deepEqual(bytesOf(result.outputs['out.bin'] ?? {}), bytes)
    assert.deepEqual(result.outputs['absent'], { missing: true })
  }
})

test('a program that fails is a result; a request that cannot be carried out is a typed error', async () => {
  const failed = await cloche.runPython('import sys; print("x"); sys.exit(3)')
  assert.deepEqual([failed.status, failed.exitCode, failed.stdout], ['failed', 3, 'x\n'])
  await assert.rejects(cloche.execute({ language: 'python' }), (error) => {
    assert.ok(error instanceof InvalidRequestError)
    assert.equal(error.status, 400)
    assert.ok(error.problems.length > 0)
    assert.match(error.requestId ?? '', /\w/)
    return true
  })
  await assert.rejects(
    cloche.execute({ code: '1', language: 'python', mode: 'branched' }),
    ModeNotAvailableError,
  )
  await assert.rejects(cloche.executions.get('exec_nothing'), NotFoundError)
  const stranger = new Cloche({ endpoint: server.url, apiKey: 'clo_wrong' })
  await assert.rejects(stranger.runBash('true'), UnauthorizedError)
  await assert.rejects(stranger.stream({ code: 'true', language: 'bash' }).result(), UnauthorizedError)
})

test('live: output as it comes, input, and the end', async () => {
  const stream = cloche.stream({
    code: 'echo ready; while read line; do echo "got $line"; done; exit 4',
    language: 'bash',
  })
  let output = ''
  stream.on('output', (text) => {
    output += text
    if (text.includes('ready')) void stream.sendInput('é1\n').then(() => stream.endInput())
  })
  const end = await stream.result()
  assert.equal(output, 'ready\ngot é1\n')
  assert.deepEqual([end.status, end.exitCode, end.executionId], ['failed', 4, stream.executionId])
})

test('live: as an iterator, from the beginning, of one that runs already', async () => {
  const { executionId, status } = await cloche.start({
    code: 'echo a; sleep 0.4; echo b >&2',
    language: 'bash',
  })
  assert.equal(status, 'accepted')
  const events: StreamEvent[] = []
  for await (const event of cloche.stream(executionId)) events.push(event)
  const text = (type: string) =>
    events.map((event) => (event.type === type && 'text' in event ? event.text : '')).join('')
  assert.deepEqual([text('stdout'), text('stderr'), events.at(-1)?.type], ['a\n', 'b\n', 'exit'])
})

test('live: a terminal with a size that changes, and signals', async () => {
  const stream = cloche.stream({ command: ['bash', '--norc'], pty: { cols: 90, rows: 20 } })
  let output = ''
  stream.on('output', (text) => (output += text))
  await stream.sendInput('stty size\n')
  await eventually(() => output.includes('20 90') || undefined, { withinMs: 10_000, what: 'the first size' })
  stream.resize(70, 15)
  await stream.sendInput('stty size; exec sleep 60\n')
  await eventually(() => output.includes('15 70') || undefined, { withinMs: 10_000, what: 'the second size' })
  await new Promise((resolve) => setTimeout(resolve, 200))
  stream.signal('SIGTERM')
  assert.equal((await stream.result()).signal, 'SIGTERM')
})

test('an interrupt is a KeyboardInterrupt in Python and a SIGINT event in Node', async () => {
  const programs = [
    {
      language: 'python',
      code: 'import time\ntry:\n  print("up", flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print("caught")',
    },
    {
      language: 'javascript',
      code: 'process.on("SIGINT", () => { console.log("caught"); process.exit() }); console.log("up"); setTimeout(() => {}, 60000)',
    },
  ] as const
  for (const program of programs) {
    const stream = cloche.stream(program)
    let output = ''
    stream.on('output', (text) => {
      output += text
      if (text.includes('up')) stream.signal('SIGINT')
    })
    const end = await stream.result()
    assert.deepEqual([output, end.exitCode], ['up\ncaught\n', 0], program.language)
  }
})

test('executions: list, wait, logs, cancel, delete', async () => {
  const { executionId } = await cloche.start({ code: 'echo one; echo two; sleep 60', language: 'bash' })
  await eventually(async () => (await cloche.executions.logs(executionId)).includes('two') || undefined, {
    withinMs: 10_000,
    what: 'its output in the logs',
  })
  assert.equal(await cloche.executions.logs(executionId, { tail: 1 }), 'two\n')
  const listed = await cloche.executions.list({ status: 'running', limit: 10 })
  assert.ok(listed.executions.some((one) => one.executionId === executionId))
  await cloche.executions.cancel(executionId)
  assert.equal((await cloche.executions.wait(executionId)).status, 'killed')
  await assert.rejects(cloche.executions.cancel(executionId), ExecutionNotRunningError)
  await cloche.executions.delete(executionId)
  await assert.rejects(cloche.executions.get(executionId), NotFoundError)
})

test('aborting an execute ends the execution, not only the wait for it', async () => {
  const stop = new AbortController()
  const marker = `marker-${randomBytes(4).toString('hex')}`
  const running = cloche.execute(
    { code: 'sleep 60', language: 'bash', env: { M: marker } },
    { signal: stop.signal },
  )
  const id = await eventually(
    async () => (await cloche.executions.list({ status: 'running' })).executions[0]?.executionId,
    { withinMs: 10_000, what: 'the running execution' },
  )
  stop.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
  await eventually(async () => ((await cloche.executions.get(id)).status === 'killed' ? true : undefined), {
    withinMs: 10_000,
    what: 'the end of the aborted execution',
  })
})

/** Between client and server: passes everything on, but breaks the connection before the first answers get through. */
async function breaksAnswers(times: number): Promise<{ url: string; close(): void }> {
  const { port } = new URL(server.url)
  let left = times
  const open = new Set<TcpSocket>()
  const proxy = createServer((client) => {
    const upstream = connect(Number(port), '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    client.pipe(upstream)
    upstream.on('data', (chunk) => {
      if (left > 0) {
        left--
        client.destroy()
      } else client.write(chunk)
    })
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const address = proxy.address() as AddressInfo // a TCP server that listens has one
  const close = (): void => {
    proxy.close()
    for (const socket of open) socket.destroy()
  }
  return { url: `http://127.0.0.1:${address.port}`, close }
}

test('an answer lost on the way is asked for again, and the code has run once', async () => {
  const proxy = await breaksAnswers(2)
  try {
    const key = `once-${randomBytes(6).toString('hex')}`
    const client = new Cloche({ endpoint: proxy.url, apiKey: server.adminKey })
    const before = (await cloche.executions.list({ limit: 200 })).executions.length
    const result = await client.execute({ code: `echo ${key}`, language: 'bash' })
    assert.equal(result.stdout, `${key}\n`)
    const after = (await cloche.executions.list({ limit: 200 })).executions.length
    assert.equal(after - before, 1)
  } finally {
    proxy.close()
  }
})

test('what is not safe to repeat is not repeated when its answer is lost', async () => {
  const proxy = await breaksAnswers(1)
  try {
    const client = new Cloche({ endpoint: proxy.url, apiKey: server.adminKey })
    await assert.rejects(client.keys.create({ name: 'lost' }), (error) => {
      return error instanceof ConnectionError && error.mayHaveRun
    })
    const { keys } = await cloche.keys.list()
    assert.equal(keys.filter(({ name }) => name === 'lost').length, 1)
  } finally {
    proxy.close()
  }
})

test('environments are made, waited for, used and removed', async () => {
  const { environments } = cloche
  await environments.create({ name: 'greeting', python: { packages: ['greeter==1.0.0'] } })
  const built = await environments.wait('greeting', AbortSignal.timeout(120_000))
  assert.equal(built.status, 'ready', JSON.stringify(built))
  assert.ok((await environments.list()).environments.some(({ name }) => name === 'greeting'))
  const result = await cloche.runPython('import greeter; print(greeter.word)', { environment: 'greeting' })
  assert.equal(result.stdout, 'hello\n', result.stderr)
  await environments.delete('greeting')
  await assert.rejects(environments.get('greeting'), EnvironmentUnknownError)
})

test('keys, tenants, version and health', async () => {
  const tenant = await cloche.tenants.create({ name: 'sdk-test' })
  assert.ok((await cloche.tenants.list()).tenants.some(({ tenantId }) => tenantId === tenant.tenantId))
  const made = await cloche.keys.create({ name: 'short', scopes: ['execute'], tenantId: tenant.tenantId })
  const other = new Cloche({ endpoint: server.url, apiKey: made.key })
  assert.deepEqual((await other.executions.list()).executions, [])
  assert.equal((await other.runBash('echo mine')).stdout, 'mine\n')
  assert.equal((await cloche.health()).status, 'ok')
  assert.match((await cloche.version())['version'] ?? '', /^\d+\.\d+/)
  assert.match(await cloche.metrics(), /^# HELP cloche_/m)
})

test('the time a program is allowed is granted on top of the client’s own deadline', async () => {
  const hasty = new Cloche({ endpoint: server.url, apiKey: server.adminKey, timeoutMs: 500 })
  assert.equal((await hasty.runBash('sleep 1; echo done', { timeoutMs: 5000 })).stdout, 'done\n')
})
