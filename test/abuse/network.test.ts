/**
 * The network from inside: the host's loopback, neighbours, and the local stack. (Policies towards the outside are
 * tested against an internet of their own, in the system tests.)
 */
import assert from 'node:assert/strict'
import net from 'node:net'
import { after, test } from 'node:test'
import { assertRefused, attack } from '../support/abuse.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
let hostConnections = 0
const hostService = net.createServer((socket) => {
  hostConnections++
  socket.end('host service')
})
await new Promise<void>((resolve) => hostService.listen(0, '127.0.0.1', resolve))
const hostAddress = hostService.address()
const hostPort = typeof hostAddress === 'object' && hostAddress !== null ? hostAddress.port : 0
after(async () => {
  hostService.close()
  await server.stop()
})

const dialCode = (targets: readonly string[], port: number): string => `
for address in ${JSON.stringify(targets)}:
    def dial():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        s = socket.socket(family); s.settimeout(2)
        try: s.connect((address, ${port}))
        except socket.timeout: raise OSError(110, "timeout")
        s.settimeout(2)
        try: data = s.recv(100)
        except socket.timeout: raise OSError(110, "timeout")
        if data == b"": raise OSError(104, "closed without a byte")
        return data
    attempt("dial:" + address, dial)
`

test('services on the host’s loopback are unreachable under every policy', async () => {
  const targets = ['127.0.0.1', '127.0.0.2', '127.255.255.254', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1']
  for (const policy of ['none', 'all', { allow: ['127.0.0.1', 'localhost', '0.0.0.0/0', '::/0'] }]) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', network: policy },
    })
    if (reply.status === 400) continue // refusing the policy outright is as good
    const verdicts = await attack(admin, dialCode(targets, hostPort), { network: policy })
    assertRefused(
      verdicts,
      [
        'ECONNREFUSED',
        'ENETUNREACH',
        'EHOSTUNREACH',
        'ETIMEDOUT',
        'ECONNRESET',
        'EACCES',
        'EPERM',
        'EADDRNOTAVAIL',
      ],
      targets.length,
    )
  }
  assert.equal(hostConnections, 0)
})

test('a neighbour’s ports are its own: two sandboxes listen on the same port and never meet', async () => {
  const listen = (word: string): object => ({
    language: 'python',
    code: `
import socket, time, threading
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 7777)); s.listen()
def serve():
    while True:
        c, _ = s.accept(); c.sendall(b"${word}"); c.close()
threading.Thread(target=serve, daemon=True).start()
time.sleep(0.7)
print(socket.create_connection(("127.0.0.1", 7777)).recv(100).decode()); time.sleep(0.7)`,
  })
  const [left, right] = await Promise.all([admin.execute(listen('left')), admin.execute(listen('right'))])
  assert.deepEqual([left?.stdout, right?.stdout], ['left\n', 'right\n'])
  const busy = admin.execute({
    language: 'python',
    code: 'import socket, time\ns = socket.socket(); s.bind(("0.0.0.0", 7778)); s.listen(); time.sleep(2)',
  })
  const verdicts = await attack(admin, `time.sleep(0.5)\n${dialCode(['127.0.0.1', '::1'], 7778)}`)
  assertRefused(verdicts, ['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENETUNREACH'], 2)
  await busy
})

test('abstract and path sockets of the host or of neighbours cannot be reached', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'cat /proc/net/unix | tail -n +2 | wc -l; cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp | grep -vc sl',
  })
  const [unix, inet] = result.stdout.trim().split('\n').map(Number)
  assert.ok((unix ?? 99) <= 8 && (inet ?? 99) <= 4, result.stdout)
})

test('raw and packet sockets, interface changes and routes are refused', async () => {
  const verdicts = await attack(
    admin,
    `
import fcntl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW, socket.htons(3)))
attempt("up", lambda: fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0)))
attempt("addr", lambda: fcntl.ioctl(s, 0x8916, struct.pack("16sHH4s8x", b"lo", 2, 0, bytes([10, 0, 0, 1]))))
attempt("tun", lambda: os.open("/dev/net/tun", os.O_RDWR))
def route():
    n = socket.socket(16, 3, 0)
    n.send(struct.pack("IHHIIBBBBIBBBBI", 28, 24, 0x505, 1, 0, 2, 0, 0, 0, 254, 3, 0, 1, 0, 0)); reply = n.recv(4096)
    error = -struct.unpack_from("i", reply, 16)[0]
    if error: raise OSError(error, "")
    return "changed"
attempt("route", route)
attempt("link", lambda: (_ for _ in ()).throw(OSError(1, "")) if os.system("ip link add d0 type dummy 2>/dev/null") else "made")
attempt("mark", lambda: s.setsockopt(1, 36, 7))
attempt("bindtodevice-foreign", lambda: s.setsockopt(1, 25, b"eth0"))
attempt("transparent", lambda: s.setsockopt(0, 19, 1))
`,
  )
  assertRefused(verdicts, ['EPERM', 'EACCES', 'ENOENT', 'EAFNOSUPPORT', 'ENODEV', 'EOPNOTSUPP', 'EINVAL'], 10)
})

test('a flood of connections inside harms nobody outside', async () => {
  const flood = admin.execute({
    language: 'python',
    code: `
import socket
s = socket.socket(); s.bind(("127.0.0.1", 9000)); s.listen(1000)
kept = []
try:
    for _ in range(100000): kept.append(socket.create_connection(("127.0.0.1", 9000))); kept.append(s.accept()[0])
except OSError as e: print("stopped", e.errno)`,
    timeoutMs: 6000,
  })
  const started = performance.now()
  assert.equal((await admin.execute({ language: 'bash', code: 'echo fine' })).stdout, 'fine\n')
  assert.ok(performance.now() - started < 2000)
  assert.match((await flood).stdout, /stopped (24|11|12|105)|^$/)
})
