import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isClocheError } from '../../../src/model/errors.ts'
import type { Sandbox } from '../../../src/sandbox/driver.ts'
import { eventually, within } from '../../support/eventually.ts'
import { command, finish, type Make } from './pieces.ts'

const ECHO_SERVER = `
import socket
server = socket.create_server(("127.0.0.1", 4000))
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    while data := peer.recv(65536): peer.sendall(data)
    peer.sendall(b"bye"); peer.close()
`

async function echoServer(one: Sandbox): Promise<void> {
  const server = one.exec(command(['python3', '-c', ECHO_SERVER]))
  let ready = false
  server.onOutput((_, chunk) => {
    ready ||= chunk.toString() === 'ready\n'
  })
  await eventually(() => ready, { withinMs: 10_000, what: 'the server listens' })
}

export function dialling(make: Make): void {
  test('a connection into the sandbox carries both ways, each direction with an end of its own', async () => {
    const one = await make()
    await echoServer(one)
    const sent = randomBytes(2 << 20)
    const stream = one.dial(4000)
    stream.end(sent)
    const got = Buffer.concat(await within(stream.toArray(), 10_000, 'the echo'))
    assert.ok(got.subarray(0, sent.length).equals(sent))
    assert.equal(got.subarray(sent.length).toString(), 'bye')
  })

  test('a port nobody listens on is an error of the stream, an aborted dial too', async () => {
    const one = await make()
    await assert.rejects(one.dial(4001).toArray(), (error) => isClocheError(error, 'port_unreachable'))
    await echoServer(one)
    const controller = new AbortController()
    const stream = one.dial(4000, controller.signal)
    stream.write('x')
    stream.once('data', () => controller.abort(new Error('no more')))
    await assert.rejects(stream.toArray(), /no more/)
  })
}

export function egress(make: Make): void {
  test('what leaves a sandbox arrives at the channel: where to, its bytes, and names to look up', async () => {
    const one = await make({ network: 'egress' })
    const channel = one.egress()
    const seen: string[] = []
    channel.onConnection((connection) => {
      seen.push(`${connection.address}:${connection.port}`)
      if (connection.port !== 80) return connection.refuse()
      const stream = connection.accept()
      stream.once('data', (chunk: Buffer) => stream.end(`you said ${chunk}`))
    })
    const questions: Buffer[] = []
    channel.onDns((question, reply) => {
      questions.push(question)
      reply(Buffer.concat([question.subarray(0, 2), Buffer.from('8183', 'hex'), question.subarray(4)]))
    })
    const script = [
      'import socket',
      's = socket.create_connection(("93.184.216.34", 80)); s.sendall(b"hi"); print(s.recv(99).decode())',
      's = socket.create_connection(("93.184.216.34", 81))',
      'try: print("got", s.recv(9))',
      'except ConnectionResetError: print("reset")',
      'try: socket.getaddrinfo("example.org", 80)',
      'except socket.gaierror as error: print(error.errno == socket.EAI_NONAME)',
    ].join('\n')
    const ran = await finish(one.exec(command(['python3', '-c', script])))
    assert.equal(ran.stdout, 'you said hi\nreset\nTrue\n', ran.stderr)
    assert.deepEqual(seen, ['93.184.216.34:80', '93.184.216.34:81'])
    assert.ok(questions.length > 0 && questions.every((question) => question.includes('example')))
    channel.close()
    await within(channel.closed, 1000, 'the channel is closed')
  })

  test('without egress nothing leaves and no channel stays open', async () => {
    const one = await make()
    const script =
      'import socket\ntry: socket.create_connection(("93.184.216.34", 80), 3)\nexcept OSError: print("no way")'
    assert.equal((await finish(one.exec(command(['python3', '-c', script])))).stdout, 'no way\n')
    await within(one.egress().closed, 5000, 'the channel is refused')
  })
}
