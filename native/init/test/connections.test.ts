import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, type Stage, stage } from './stage.ts'
import { Type, u32, type Wire } from './wire.ts'

const options = { skip: mayRun }

async function serving(init: Stage, python: string): Promise<Wire> {
  const wire = init.exec({ args: ['python3', '-uc', python] })
  await wire.until((each) => each.text().includes('up'), 'the server')
  return wire
}

function dial(init: Stage, target: string): Wire {
  const wire = init.connect()
  wire.send(Type.dial, Buffer.from(target))
  return wire
}

const echo = (family: string, address: string) => `
import socket, threading
s = socket.socket(socket.${family}, socket.SOCK_STREAM); s.bind(${address}); s.listen(100); print("up")
def serve(c):
    while (b := c.recv(65536)): c.sendall(b)
    c.sendall(b"<end>"); c.close()
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`

test('a dialled HTTP server answers, and its close is told', options, async (t) => {
  const init = await stage(t)
  await init.run('echo hello > index.html')
  await serving(
    init,
    'import http.server as h, functools; s=h.HTTPServer(("",8000),h.SimpleHTTPRequestHandler); print("up"); s.serve_forever()',
  )
  const wire = dial(init, 'tcp:8000')
  wire.send(Type.stdin, Buffer.from('GET /index.html HTTP/1.0\r\n\r\n'))
  await wire.until(
    (each) => each.frames.some((frame) => frame.type === Type.stdout && frame.payload.length === 0),
    'the end',
  )
  assert.match(wire.text(), /^HTTP\/1.0 200 OK\r\n[^]*\r\n\r\nhello\n$/)
  wire.send(Type.stdin)
  assert.equal((await outcome(wire)).status, 0)
})

test(
  'IPv6 loopback and named sockets are reached too, each direction ending by itself',
  options,
  async (t) => {
    const init = await stage(t)
    await serving(init, echo('AF_INET6', '("::1", 8001)'))
    await serving(init, echo('AF_UNIX', '"/tmp/sock"'))
    for (const target of ['tcp:8001', 'unix:/tmp/sock']) {
      const wire = dial(init, target)
      const piece = Buffer.alloc(60_000, target)
      let credited = 0
      for (let i = 0; i < 50; i++) {
        await wire.until((each) => {
          credited += each.take(Type.creditStdin).reduce((sum, byte, at) => sum + byte * 256 ** (at % 4), 0)
          return i * piece.length - credited + piece.length <= 262_144
        })
        wire.send(Type.stdin, piece)
      }
      wire.send(Type.stdin)
      const end = await outcome(wire)
      assert.equal(end.status, 0, wire.describe())
      assert.equal(end.stdout.length, 50 * piece.length + 5)
      assert.ok(end.stdout.endsWith('<end>'))
    }
  },
)

test('what cannot be dialled is told', options, async (t) => {
  const init = await stage(t)
  assert.equal((await outcome(dial(init, 'tcp:81'))).error?.text, 'ECONNREFUSED: dial: Connection refused')
  assert.match((await outcome(dial(init, 'unix:/tmp/none'))).error?.text ?? '', /^ENOENT/)
  assert.match((await outcome(dial(init, 'unix:/root/none'))).error?.text ?? '', /^E(ACCES|NOENT)/)
})

test('a connection that the host drops is reset inside', options, async (t) => {
  const init = await stage(t)
  const server = await serving(
    init,
    'import socket\ns=socket.create_server(("",8002)); print("up")\nc=s.accept()[0]\ntry:\n  while c.recv(9): pass\n  print("ended well")\nexcept OSError as e: print("reset")',
  )
  const wire = dial(init, 'tcp:8002')
  wire.send(Type.stdin, Buffer.from('x'))
  await wire.next(Type.creditStdin)
  wire.close()
  assert.equal((await outcome(server)).stdout, 'up\nreset\n')
})

const asking = (address: string, port: number, said: string) =>
  `import socket; c=socket.socket(); c.connect(("${address}", ${port})); c.sendall(b"${said}"); c.shutdown(1); print(c.makefile().read())`

test(
  'outgoing connections come to the host with the address they meant, and are relayed',
  options,
  async (t) => {
    const init = await stage(t, { egress: true })
    const channel = init.connect()
    channel.send(Type.listen)
    const programs = [1, 2, 3].map((n) =>
      init.exec({ args: ['python3', '-c', asking(`127.9.8.${n}`, 999, `ask${n}`)] }),
    )
    await channel.until(
      (each) => each.frames.filter((f) => f.type === Type.incoming).length === 3,
      'three connections',
    )
    for (const { payload } of channel.frames) {
      assert.deepEqual([payload.length, payload[4], payload.readUInt16LE(21)], [23, 4, 999])
      assert.deepEqual(
        [...payload.subarray(5, 8), ...payload.subarray(9, 21)],
        [127, 9, 8, ...Array(12).fill(0)],
      )
      const wire = init.connect()
      wire.send(Type.accept, payload.subarray(0, 4))
      await wire.until(
        (each) => each.frames.some((f) => f.type === Type.stdout && f.payload.length === 0),
        'the half close',
      )
      assert.equal(wire.text(), `ask${payload[8]}`)
      wire.send(Type.stdin, Buffer.from(`answer ${payload[8]}`))
      wire.send(Type.stdin)
      assert.equal((await outcome(wire)).status, 0)
    }
    const ends = await Promise.all(programs.map((wire) => outcome(wire)))
    assert.deepEqual(
      ends.map((end) => end.stdout),
      ['answer 1\n', 'answer 2\n', 'answer 3\n'],
    )
  },
)

test('name queries go to the host and its answers to whoever asked', options, async (t) => {
  const init = await stage(t, { egress: true })
  const channel = init.connect()
  channel.send(Type.listen)
  const ask = (n: number) =>
    init.exec({
      args: [
        'python3',
        '-c',
        `import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b"q${n}",("127.0.0.53",53)); print(s.recv(999).decode())`,
      ],
    })
  const programs = [1, 2, 3].map(ask)
  await channel.until((each) => each.frames.length === 3, 'three queries')
  for (const each of [...channel.frames].reverse()) {
    assert.equal(each.type, Type.dgram)
    const answer = Buffer.concat([
      each.payload.subarray(0, 4),
      Buffer.from(`answer to ${each.payload.subarray(4)}`),
    ])
    channel.send(Type.dgram, answer)
    channel.send(Type.dgram, answer)
  }
  channel.send(Type.dgram, Buffer.concat([u32(77), Buffer.from('to nobody')]))
  const ends = await Promise.all(programs.map((wire) => outcome(wire)))
  assert.deepEqual(
    ends.map((end) => end.stdout),
    ['answer to q1\n', 'answer to q2\n', 'answer to q3\n'],
  )
})

test('there is one egress channel at a time; its loss drops what nobody picked up', options, async (t) => {
  const init = await stage(t, { egress: true })
  const first = init.connect()
  first.send(Type.listen)
  const second = init.connect()
  second.send(Type.listen)
  assert.match((await outcome(second)).error?.text ?? '', /^EBUSY/)
  const program = init.exec({ args: ['python3', '-c', asking('127.1.1.1', 999, 'x')] })
  const id = (await first.next(Type.incoming)).payload.subarray(0, 4)
  first.close()
  await outcome(program)
  const late = init.connect()
  late.send(Type.accept, id)
  assert.match((await outcome(late)).error?.text ?? '', /^ENOENT/)
  const third = init.connect()
  third.send(Type.listen)
  const again = init.exec({ args: ['python3', '-c', asking('127.1.1.2', 999, 'x')] })
  const accepted = init.connect()
  accepted.send(Type.accept, (await third.next(Type.incoming)).payload.subarray(0, 4))
  await accepted.next(Type.stdout)
  accepted.close()
  assert.match((await outcome(again)).stderr, /ConnectionResetError|Errno 107/)
})

test('a flood of connections waits in the kernel, not in init', options, async (t) => {
  const init = await stage(t, { egress: true })
  const channel = init.connect()
  channel.send(Type.listen)
  const flood =
    'import socket\nall=[]\nfor i in range(220): c=socket.socket(); c.connect(("127.3.3.3",999)); all.append(c)\nprint("up",flush=True)\nfor c in all: c.recv(1)'
  const program = init.exec({ args: ['python3', '-c', flood] })
  await program.until((each) => each.text() === 'up\n')
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal(channel.frames.length, 128)
  for (let done = 0; done < 220; done++) {
    await channel.until((each) => each.frames.length > done)
    const wire = init.connect()
    wire.send(Type.accept, channel.frames[done]?.payload.subarray(0, 4))
    wire.send(Type.stdin, Buffer.from('.'))
    wire.send(Type.stdin)
    await wire.next(Type.creditStdin)
  }
  assert.equal((await outcome(program)).status, 0)
})

test('without a way out there is no channel', options, async (t) => {
  const init = await stage(t)
  const wire = init.connect()
  wire.send(Type.listen)
  assert.match((await outcome(wire)).error?.text ?? '', /^ENODEV/)
})
