import assert from 'node:assert/strict'
import test from 'node:test'
import { within } from '../../../test/support/eventually.ts'
import type { LauncherMessage } from '../../protocol/launcher.ts'
import { LauncherClient, LauncherGone, LauncherRefusal } from './launcher-client.ts'

/** A program that speaks the launcher's protocol on descriptor 3 and does what the verb of this test says. */
const PROGRAM = `
const net = require('node:net')
const channel = new net.Socket({ fd: 3 })
const send = (...fields) => {
  const body = Buffer.from(fields.join('\\0'))
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  channel.write(Buffer.concat([head, body]))
}
let partial = Buffer.alloc(0)
channel.on('data', (chunk) => {
  partial = Buffer.concat([partial, chunk])
  while (partial.length >= 4 && partial.length >= 4 + partial.readUInt32LE(0)) {
    const end = 4 + partial.readUInt32LE(0)
    const [verb, tag, ...fields] = partial.toString('utf8', 4, end).split('\\0')
    partial = partial.subarray(end)
    if (verb === 'hello') send('ok', tag, 'version=1', 'said=' + fields.join(','))
    if (verb === 'kill') send('err', tag, 'code=sandbox_unknown', 'what=there is no such sandbox', 'hint=look again')
    if (verb === 'list') send('exit', 0, 'id=abc', 'status=9')
    if (verb === 'stat') { console.error('last words'); process.exit(7) }
    if (verb === 'thaw') channel.write(Buffer.from([0, 0, 0, 0]))
    if (verb === 'limit') send('ok', 999)
  }
})
channel.on('end', () => process.exit(0))
console.error('begun')
`

function start(): { client: LauncherClient; events: LauncherMessage[]; lines: string[] } {
  const events: LauncherMessage[] = []
  const lines: string[] = []
  const command = { file: process.execPath, args: ['-e', PROGRAM] }
  const client = new LauncherClient(command, {
    event: (message) => events.push(message),
    line: (text) => lines.push(text),
  })
  return { client, events, lines }
}

test('requests are answered by tag, refusals carry code, reason and hint, events and lines arrive', async () => {
  const { client, events, lines } = start()
  const all = await Promise.all([client.request('hello', { a: 1 }), client.request('hello', { b: 2 })])
  assert.deepEqual(
    all.map((message) => message.fields.get('said')),
    ['a=1', 'b=2'],
  )
  await assert.rejects(
    client.request('kill', { id: 'x' }),
    (error) =>
      error instanceof LauncherRefusal &&
      error.code === 'sandbox_unknown' &&
      error.hint === 'look again' &&
      error.message === 'kill: there is no such sandbox',
  )
  const unanswered = client.request('list')
  unanswered.catch(() => {})
  await client.request('hello')
  assert.equal(events[0]?.fields.get('id'), 'abc')
  assert.deepEqual(lines, ['begun'])
  await within(client.close(), 5000, 'the end')
  await assert.rejects(unanswered, LauncherGone)
})

test('when it dies every request is refused with how it ended and what it said last', async () => {
  const { client } = start()
  await assert.rejects(client.request('stat'), /ended with exit code 7 \(begun; last words\)/)
  await assert.rejects(client.request('hello'), LauncherGone)
  assert.match((await client.ended).message, /exit code 7/)
})

test('a launcher that breaks the protocol is killed', async () => {
  for (const verb of ['thaw', 'limit'] as const) {
    const { client, lines } = start()
    await assert.rejects(client.request(verb), /ended with SIGKILL/)
    assert.match(lines.at(-1) ?? '', /cannot be read/)
  }
})

test('a launcher that cannot be started says so', async () => {
  const client = new LauncherClient(
    { file: '/nowhere/launcher', args: [] },
    { event: () => {}, line: () => {} },
  )
  await assert.rejects(client.request('hello'), /could not be started: .*ENOENT/)
  await within(client.close(), 5000, 'closing what never was')
})
