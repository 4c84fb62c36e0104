/** The WebSocket of an execution: live output, input, terminals, signals, attaching, hostile peers. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../support/eventually.ts'
import { startServer } from '../support/server.ts'
import { openStream, startInStream } from '../support/stream.ts'

const server = await startServer()
after(() => server.stop())

const encode = (text: string): string => Buffer.from(text).toString('base64')

test('output arrives while the program runs, and the exit closes the session', async () => {
  const session = await startInStream(server, {
    language: 'python',
    code: 'import sys\nprint("first", flush=True)\nline = input()\nprint("got", line)\nprint("err", file=sys.stderr)\nsys.exit(5)',
  })
  const started = await session.next('started')
  assert.match(String(started['executionId']), /\w{8,}/)
  await session.output('first')
  session.send({ type: 'stdin', data: encode('typed\n') })
  await session.output('got typed')
  const exit = await session.next('exit')
  assert.equal(exit['exitCode'], 5)
  assert.equal(exit['status'], 'failed')
  assert.equal(session.bytes('stderr').toString(), 'err\n')
  const { code } = await session.closed()
  assert.equal(code, 1000)
})

test('stdin_eof ends the input', async () => {
  const session = await startInStream(server, { command: ['wc', '-c'] })
  await session.next('started')
  for (let n = 0; n < 10; n++) session.send({ type: 'stdin', data: encode('x'.repeat(10_000)) })
  session.send({ type: 'stdin_eof' })
  await session.next('exit')
  assert.equal(session.bytes('stdout').toString().trim(), '100000')
})

test('a pty is a terminal: size, resize, line editing, Ctrl-C', async () => {
  const session = await startInStream(server, { command: ['bash', '--norc'], pty: { cols: 100, rows: 30 } })
  await session.next('started')
  session.send({ type: 'stdin', data: encode('stty size; tty\n') })
  await session.output(/30 100[\s\S]*\/dev\/pts\/\d+/)
  session.send({ type: 'resize', cols: 81, rows: 25 })
  session.send({ type: 'stdin', data: encode('stty size\n') })
  await session.output(/25 81/)
  session.send({ type: 'stdin', data: encode("echo slee''ping; sleep 100\n") })
  await session.output(/sleeping\r/)
  await delay(200) // until the sleep is in the foreground; the terminal shows no sign of it
  session.send({ type: 'stdin', data: encode('\u0003') })
  session.send({ type: 'stdin', data: encode('echo back=$?\n') })
  await session.output(/back=130/)
  session.send({ type: 'stdin', data: encode('exit 6\n') })
  assert.equal((await session.next('exit'))['exitCode'], 6)
})

test('the python and node runtimes work on a pty as well', async () => {
  for (const [language, code] of [
    ['python', 'import sys, os\nprint(sys.stdin.isatty(), os.get_terminal_size().columns)'],
    [
      'javascript',
      'console.log(process.stdin.isTTY === true ? "True" : "False", String(process.stdout.columns))',
    ],
  ]) {
    const session = await startInStream(server, { language, code, pty: { cols: 90, rows: 20 } })
    await session.next('exit')
    assert.match(session.bytes('stdout').toString(), /True 90/, language)
  }
})

test('signals reach the program', async () => {
  const session = await startInStream(server, {
    language: 'python',
    code: 'import signal, sys, time\nsignal.signal(signal.SIGUSR1, lambda *a: (print("usr1", flush=True), sys.exit(0)))\nprint("ready", flush=True)\ntime.sleep(60)',
  })
  await session.output('ready')
  session.send({ type: 'signal', signal: 'SIGUSR1' })
  await session.output('usr1')
  assert.equal((await session.next('exit'))['exitCode'], 0)
  const killed = await startInStream(server, { command: ['sleep', '60'] })
  await killed.next('started')
  killed.send({ type: 'signal', signal: 'SIGTERM' })
  assert.equal((await killed.next('exit'))['signal'], 'SIGTERM')
})

test('attaching to a running execution shows it from the beginning', async () => {
  const accepted = await server.admin.call('POST', '/api/v1/execute', {
    body: { language: 'bash', code: 'echo early; sleep 1.5; echo late' },
    headers: { prefer: 'respond-async' },
  })
  const { executionId } = accepted.json()
  const session = await openStream(server)
  session.send({ type: 'attach', executionId })
  await session.output('early\nlate\n')
  assert.equal((await session.next('exit'))['exitCode'], 0)
  const later = await openStream(server)
  later.send({ type: 'attach', executionId })
  await later.next('exit')
  assert.equal(later.bytes('stdout').toString(), 'early\nlate\n')
})

test('a slow reader slows the program, not the server, and loses nothing', async () => {
  const session = await startInStream(server, {
    language: 'python',
    code: 'import sys\nfor i in range(8 * 1024): sys.stdout.write("y" * 1023 + "\\n")',
    timeoutMs: 60_000,
  })
  await session.next('exit', 60_000)
  assert.equal(session.bytes('stdout').length, 8 * 1024 * 1024)
})

test('hanging up ends the run that was started on the socket', async () => {
  const session = await startInStream(server, { command: ['sleep', '120'], timeoutMs: 120_000 })
  const { executionId } = await session.next('started')
  session.close()
  const status = await eventually(
    async () => {
      const record = (await server.admin.call('GET', `/api/v1/executions/${executionId}`)).json()
      return record['status'] === 'running' ? undefined : record['status']
    },
    { withinMs: 15_000, what: 'the end of an abandoned run' },
  )
  assert.equal(status, 'killed')
})

test('without a key, with a wrong key or without the scope the upgrade is refused', async () => {
  await assert.rejects(openStream(server, 'clo_wrong'))
  await assert.rejects(openStream(server, ''))
})

test('messages that make no sense end the session with an error, never the server', async () => {
  const nonsense = [
    'not json',
    '{}',
    '[]',
    '{"type":"launch"}',
    '{"type":"start"}',
    '{"type":"start","request":{"language":"python"}}',
    '{"type":"stdin","data":"eA=="}',
    '{"type":"attach","executionId":"exe_missing"}',
    `{"type":"start","request":{"language":"python","code":"${'x'.repeat(64)}","bogus":1}}`,
    Buffer.from([0, 1, 2, 3]),
  ]
  for (const message of nonsense) {
    const session = await openStream(server)
    session.sendRaw(message)
    const error = await session.next('error')
    assert.equal(
      typeof (error['error'] as { code?: string } | undefined)?.code,
      'string',
      JSON.stringify(error),
    )
    const { code } = await session.closed()
    assert.ok(code >= 1000 && code !== 1006 && code !== 1011, `closed with ${code}`)
  }
  const unsized = await startInStream(server, { command: ['cat'] })
  await unsized.next('started')
  unsized.send({ type: 'resize', cols: -5, rows: 99999999 })
  unsized.send({ type: 'signal', signal: 'SIGNONSENSE' })
  await unsized.next('error')
  assert.equal((await server.admin.execute({ language: 'bash', code: 'echo alive' })).stdout, 'alive\n')
})
