import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import test, { type TestContext } from 'node:test'
import type { EgressChannel, EgressConnection } from '../sandbox/driver.ts'
import { systemClock } from '../std/clock.ts'
import { silentLog } from '../std/log.ts'
import { Metrics } from '../std/metrics.ts'
import { Egress, type EgressSettings, type VouchedPlace } from './egress.ts'
import type { NetworkRequest } from './policy.ts'

/** The sandbox's end of the channel, held by the test. */
class Inside implements EgressChannel {
  readonly closed = new Promise<void>(() => {})
  #onConnection: (connection: EgressConnection) => void = () => {}
  #onDns: (question: Buffer, reply: (answer: Uint8Array) => void) => void = () => {}
  onConnection(listener: (connection: EgressConnection) => void): void {
    this.#onConnection = listener
  }
  onDns(listener: (question: Buffer, reply: (answer: Uint8Array) => void) => void): void {
    this.#onDns = listener
  }
  close(): void {}

  /** The made-up address of a name, or the response code. */
  async ask(name: string, type = 1): Promise<string | number> {
    const labels = name
      .split('.')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
    const head = Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    const packet = Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])])
    const answer = await new Promise<Buffer>((resolve) =>
      this.#onDns(packet, (bytes) => resolve(Buffer.from(bytes))),
    )
    return answer.readUInt16BE(6) === 1 ? [...answer.subarray(-4)].join('.') : answer.readUInt16BE(2) & 15
  }

  /** The program's side of a connection; 'refused' when the host says no. */
  dial(address: string, port: number): Promise<Duplex | 'refused'> {
    return new Promise((resolve) => {
      const accept = (): Duplex => {
        const [mine, theirs] = duplexPair()
        // What the real channel does: a failure on one side is one on the other.
        theirs.on('close', () => (theirs.readableEnded && theirs.writableFinished) || mine.destroy())
        resolve(mine)
        return theirs
      }
      this.#onConnection({ address, family: 4, port, accept, refuse: () => resolve('refused') })
    })
  }
}

async function echoServer(t: TestContext): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket: Socket) =>
    socket.pipe(socket).on('error', () => {}),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

interface Setup {
  readonly network?: NetworkRequest
  readonly settings?: Partial<EgressSettings>
  readonly names?: () => Record<string, string[]>
  readonly vouched?: readonly VouchedPlace[]
}

function serve({ network = 'all', settings = {}, names = () => ({}), vouched = [] }: Setup): {
  inside: Inside
  asked: string[]
} {
  const inside = new Inside()
  const asked: string[] = []
  const lookup = async (name: string): Promise<string[]> => {
    asked.push(name)
    return names()[name] ?? Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))
  }
  const egress = new Egress({
    settings: {
      allowPrivate: ['127.0.0.0/8'],
      maxConnections: 8,
      bytesPerSecond: 1e9,
      connectTimeoutMs: 1000,
      nameServers: [],
      ...settings,
    },
    clock: systemClock,
    log: silentLog,
    metrics: new Metrics(),
    lookup,
  })
  egress.serve(inside, network, 'test', vouched)
  return { inside, asked }
}

async function echoed(stream: Duplex | 'refused', text: string): Promise<string> {
  assert.notEqual(stream, 'refused')
  assert.ok(stream instanceof Duplex)
  stream.end(text)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('a program reaches a listed name through the address made up for it, and gets its bytes back', async (t) => {
  const port = await echoServer(t)
  const { inside } = serve({
    network: { allow: ['api.example.com'] },
    names: () => ({ 'api.example.com': ['127.0.0.1'] }),
  })
  const address = await inside.ask('API.example.com')
  assert.match(String(address), /^198\.18\./)
  assert.equal(await echoed(await inside.dial(String(address), port), 'hello'), 'hello')
})

test('a name outside the list does not exist, and no server is asked about it', async () => {
  const { inside, asked } = serve({ network: { allow: ['api.example.com'] } })
  assert.equal(await inside.ask('secret.evil.dev'), 3)
  assert.deepEqual(asked, [])
})

test('AAAA and other types of an existing name are answered empty, so that programs take the A record', async () => {
  const { inside } = serve({ names: () => ({ 'a.dev': ['93.184.216.34'] }) })
  assert.equal(await inside.ask('a.dev', 28), 0)
  assert.equal(await inside.ask('b.dev', 28), 3)
})

test('addresses are judged by networks only: unlisted literals and made-up addresses nobody was given are refused', async (t) => {
  const port = await echoServer(t)
  const { inside } = serve({
    network: { allow: ['127.0.0.1/32', 'a.dev'] },
    names: () => ({ 'a.dev': ['127.0.0.1'] }),
  })
  assert.equal(await echoed(await inside.dial('127.0.0.1', port), 'x'), 'x')
  assert.equal(await inside.dial('127.0.0.2', port), 'refused')
  assert.equal(await inside.dial('198.18.0.1', port), 'refused')
})

test('a rebinding name server gains nothing: the address at dialling is judged, whatever it was when asked', async (t) => {
  const port = await echoServer(t)
  let addresses = ['93.184.216.34']
  const { inside } = serve({
    settings: { allowPrivate: [] },
    network: { allow: ['rebind.dev'] },
    names: () => ({ 'rebind.dev': addresses }),
  })
  const address = await inside.ask('rebind.dev')
  addresses = ['127.0.0.1']
  assert.equal(await inside.dial(String(address), port), 'refused')
})

test('names that resolve to private, metadata or loopback addresses are refused under every policy', async (t) => {
  const port = await echoServer(t)
  for (const target of ['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1', '::ffff:127.0.0.1', 'fd00::1']) {
    for (const network of ['all', { allow: ['*.dev'] }] as const) {
      const { inside } = serve({
        network,
        settings: { allowPrivate: [] },
        names: () => ({ 'a.dev': [target] }),
      })
      assert.equal(await inside.dial(String(await inside.ask('a.dev')), port), 'refused', target)
    }
  }
})

test('of several addresses the forbidden ones are skipped and a dead one is passed over', async (t) => {
  const port = await echoServer(t)
  const { inside } = serve({ names: () => ({ 'a.dev': ['10.0.0.1', '127.0.0.99', '127.0.0.1'] }) })
  assert.equal(await echoed(await inside.dial(String(await inside.ask('a.dev')), port), 'x'), 'x')
})

test('a sandbox has a bounded number of connections, and a place is free again when one ends', async (t) => {
  const port = await echoServer(t)
  const { inside } = serve({ settings: { maxConnections: 2 } })
  const first = await inside.dial('127.0.0.1', port)
  const second = await inside.dial('127.0.0.1', port)
  assert.equal(await inside.dial('127.0.0.1', port), 'refused')
  await echoed(first, 'x')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(await echoed(await inside.dial('127.0.0.1', port), 'y'), 'y')
  await echoed(second, 'x')
})

test('bandwidth is bounded', async (t) => {
  const port = await echoServer(t)
  const { inside } = serve({ settings: { bytesPerSecond: 1_000_000 } })
  const startMs = performance.now()
  const text = 'x'.repeat(800_000)
  assert.equal((await echoed(await inside.dial('127.0.0.1', port), text)).length, text.length)
  // 1.6 MB pass (there and back), 1 MB of them were saved up.
  assert.ok(performance.now() - startMs > 400)
})

test('a reset on one side is passed on to the other', async (t) => {
  const server = createServer((socket) => socket.resetAndDestroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { inside } = serve({})
  const stream = await inside.dial('127.0.0.1', (server.address() as AddressInfo).port)
  if (stream !== 'refused') await once(stream.resume(), 'close')
})

test('garbage on the DNS port is refused or ignored and the next question works', async () => {
  const { inside } = serve({ names: () => ({ 'a.dev': ['93.184.216.34'] }) })
  assert.ok(Number(await inside.ask('a..b')) > 0)
  assert.match(String(await inside.ask('a.dev')), /^198\.18\./)
})

test('a vouched place is reached at its port on this machine, whose other ports stay closed', async (t) => {
  const [port, other] = [await echoServer(t), await echoServer(t)]
  const { inside, asked } = serve({
    network: { allow: [] },
    settings: { allowPrivate: [] },
    names: () => ({ 'named.example.com': ['127.0.0.1'] }),
    vouched: [
      { name: 'index.internal', port, address: '127.0.0.1' },
      { name: 'named.example.com', port },
    ],
  })
  const address = String(await inside.ask('index.internal'))
  assert.deepEqual(asked, [], 'a name with an address is not looked up')
  assert.equal(await echoed(await inside.dial(address, port), 'hello'), 'hello')
  assert.equal(await inside.dial(address, other), 'refused')
  const named = String(await inside.ask('named.example.com'))
  assert.equal(await echoed(await inside.dial(named, port), 'hello'), 'hello')
  assert.equal(await inside.dial(named, other), 'refused')
  assert.equal(await inside.dial('127.0.0.1', port), 'refused')
})
