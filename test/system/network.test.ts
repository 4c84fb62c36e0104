/**
 * Egress policies, in an internet of the tests' own: the server runs in one network namespace, hosts with public,
 * private and metadata addresses in another, with a name server whose answers change.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { ExecutionResult } from '../support/client.ts'
import { startServer } from '../support/server.ts'
import { addresses, createTestNetwork, serverSideAddress } from '../support/test-network.ts'

const network = await createTestNetwork()
await network.zone({
  'allowed.test': [addresses.allowed],
  'other.test': [addresses.other],
  'sub.allowed.test': [addresses.allowed],
  'v6.test': [addresses.publicV6],
  'private.test': [addresses.privateA],
  'meta.test': [addresses.metadata],
  'loop.test': ['127.0.0.1'],
  'mapped.test': ['::ffff:127.0.0.1'],
  'rebind.test': [addresses.allowed, '127.0.0.1', addresses.metadata],
})
const server = await startServer({ network })
const { admin } = server
after(async () => {
  await server.stop()
  network.close()
})

/** Fetches each URL inside one sandbox; gives the first line of each body, or the kind of failure. */
async function fetchAll(urls: readonly string[], policy: unknown): Promise<string[]> {
  const result = await admin.execute({
    language: 'python',
    code: `
import urllib.request, sys, json, socket
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for url in json.load(sys.stdin):
    try: print(opener.open(url, timeout=4).read().decode().split("\\n")[0])
    except Exception as e: print("refused", type(getattr(e, "reason", e)).__name__)`,
    stdin: JSON.stringify(urls),
    timeoutMs: 60_000,
    ...(policy === undefined ? {} : { network: policy }),
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  return result.stdout.trim().split('\n')
}

const everyAddress = Object.values(addresses).filter((address) => !address.includes(':'))

test('by default and with "none" there is no way out at all, not even a route or a name', async () => {
  for (const policy of [undefined, 'none']) {
    const before = await network.hits()
    const urls = [
      ...everyAddress.map((address) => `http://${address}/`),
      'http://allowed.test/',
      `http://[${addresses.publicV6}]/`,
    ]
    const answers = await fetchAll(urls, policy)
    assert.ok(
      answers.every((answer) => answer.startsWith('refused')),
      answers.join('\n'),
    )
    assert.deepEqual((await network.hits()).connections, before.connections)
    assert.equal((await network.hits()).queries.length, before.queries.length, 'no name query leaves either')
    const interfaces = await admin.execute({
      language: 'bash',
      code: 'cat /proc/net/dev /proc/net/route',
      ...(policy ? { network: policy } : {}),
    })
    assert.doesNotMatch(interfaces.stdout, /eth|veth|tun|far/)
  }
})

test('"all" reaches public hosts by name and by address, over both families', async () => {
  const answers = await fetchAll(
    [
      'http://allowed.test/',
      `http://${addresses.other}:8080/`,
      'http://v6.test/',
      `http://[${addresses.publicV6}]:8080/`,
    ],
    'all',
  )
  assert.deepEqual(answers, [
    `far side ${addresses.allowed}:80`,
    `far side ${addresses.other}:8080`,
    `far side ${addresses.publicV6}:80`,
    `far side ${addresses.publicV6}:8080`,
  ])
})

test('"all" never reaches loopback, private, link-local, metadata, carrier, ULA, mapped or our own addresses', async () => {
  const before = await network.hits()
  const hosts = [
    addresses.privateA,
    addresses.privateB,
    addresses.privateC,
    addresses.carrier,
    addresses.metadata,
    `[${addresses.uniqueLocalV6}]`,
    `[::ffff:${addresses.privateA}]`,
    `[::ffff:${addresses.metadata}]`,
    `[64:ff9b::${addresses.privateA}]`,
    serverSideAddress,
    '[2600:1f00:30::1]',
    'private.test',
    'meta.test',
    'loop.test',
    'mapped.test',
  ]
  const answers = await fetchAll(
    hosts.map((host) => `http://${host}/`),
    'all',
  )
  assert.ok(
    answers.every((answer) => answer.startsWith('refused')),
    answers.map((answer, at) => `${hosts[at]}: ${answer}`).join('\n'),
  )
  assert.deepEqual((await network.hits()).connections, before.connections, 'and nothing was even dialled')
})

test('the API of the server itself is out of reach through any spelling of its address', async () => {
  const { port } = server.endpoint
  const spellings = [
    '127.0.0.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '127.1',
    '2130706433',
    serverSideAddress,
    'loop.test',
    'localhost',
  ]
  const answers = await fetchAll(
    spellings.map((host) => `http://${host}:${port}/health`),
    'all',
  )
  assert.ok(
    answers.every((answer) => answer.startsWith('refused')),
    answers.join('\n'),
  )
})

test('an allow-list admits its names and networks only, whatever else resolves', async () => {
  const policy = { allow: ['allowed.test', `${addresses.other}/32`] }
  const answers = await fetchAll(
    [
      'http://allowed.test/',
      `http://${addresses.other}/`,
      `http://${addresses.dns}/`,
      'http://v6.test/',
      'http://sub.allowed.test/',
    ],
    policy,
  )
  assert.equal(answers[0], `far side ${addresses.allowed}:80`)
  assert.equal(answers[1], `far side ${addresses.other}:80`)
  assert.ok(
    answers.slice(2).every((answer) => answer.startsWith('refused')),
    answers.join('\n'),
  )
})

test('a private network on the allow-list stays refused unless the operator allows private networks', async () => {
  const before = await network.hits()
  const result = await admin.call('POST', '/api/v1/execute', {
    body: {
      language: 'python',
      code: `import urllib.request\nprint(urllib.request.urlopen("http://${addresses.privateA}/", timeout=3).read())`,
      network: { allow: [`${addresses.privateA}/32`, 'private.test'] },
    },
  })
  assert.ok(result.status === 400 || result.json()['exitCode'] === 1, result.text)
  assert.deepEqual((await network.hits()).connections, before.connections)
})

test('DNS rebinding does not get past the allow-list: the judged address is the dialled one', async () => {
  const before = await network.hits()
  const urls = Array.from({ length: 6 }, () => 'http://rebind.test/')
  const answers = await fetchAll(urls, { allow: ['rebind.test'] })
  for (const answer of answers) {
    assert.ok(answer === `far side ${addresses.allowed}:80` || answer.startsWith('refused'), answer)
  }
  assert.ok(
    answers.some((answer) => answer.startsWith('refused')),
    'the look-ups that gave forbidden addresses were refused',
  )
  const hits = await network.hits()
  assert.equal(hits.connections[addresses.metadata] ?? 0, before.connections[addresses.metadata] ?? 0)
  assert.equal(hits.connections['127.0.0.1'] ?? 0, before.connections['127.0.0.1'] ?? 0)
})

test('a name resolved once inside cannot be used to reach another address later', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import socket
seen = [socket.getaddrinfo("rebind.test", 80, socket.AF_INET)[0][4][0] for _ in range(6)]
for address in sorted(set(seen) | {"${addresses.metadata}", "127.0.0.1"}):
    try:
        s = socket.create_connection((address, 80), timeout=3)
        s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); print(address, s.recv(4096).split(b"\\n")[-2].decode())
    except OSError as e: print(address, "refused")`,
    network: { allow: ['rebind.test'] },
  })
  assert.doesNotMatch(result.stdout, /(127\.0\.0\.1|169\.254\.169\.254) far side/, result.stdout)
})

async function datagram(policy: unknown): Promise<ExecutionResult> {
  return admin.execute({
    language: 'python',
    code: `
import socket
for family, address in ((socket.AF_INET, "${addresses.allowed}"), (socket.AF_INET, "${addresses.dns}"), (socket.AF_INET6, "${addresses.publicV6}")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    try: print("sent", s.sendto(b"x", (address, 4444)))
    except OSError as e: print("refused", e.errno)`,
    network: policy,
  })
}

test('UDP other than our resolver goes nowhere, nor does ICMP', async () => {
  await datagram('all')
  await datagram('none')
  for (const policy of ['all', 'none']) {
    const ping = await admin.execute({
      language: 'python',
      code: `
import socket
for family, protocol, address, first in ((socket.AF_INET, 1, "${addresses.allowed}", 8), (socket.AF_INET6, 58, "${addresses.publicV6}", 128)):
    try:
        s = socket.socket(family, socket.SOCK_DGRAM, protocol); s.settimeout(1)
        s.sendto(bytes([first]) + b"\\0" * 7, (address, 0)); s.recv(100)
    except OSError: pass`,
      network: policy,
    })
    assert.equal(ping.status, 'succeeded', ping.stderr)
  }
  const hits = await network.hits()
  assert.deepEqual([hits.datagrams, hits.pings], [{}, 0])
})

test('the resolver answers inside with the policy’s names only', async () => {
  const code = `
import socket
for name in ("allowed.test", "other.test", "private.test", "no-such.test"):
    try: print(name, sorted({a[4][0] for a in socket.getaddrinfo(name, 80, socket.AF_INET)}))
    except socket.gaierror as e: print(name, "no")`
  const all = await admin.execute({ language: 'python', code, network: 'all' })
  assert.match(all.stdout, /^allowed.test \['[\d.]+'\]/)
  assert.match(all.stdout, /no-such.test no/)
  const listed = await admin.execute({ language: 'python', code, network: { allow: ['allowed.test'] } })
  assert.match(listed.stdout, /^allowed.test \['[\d.]+'\]\nother.test no/)
})

test('policies that make no sense are refused', async () => {
  for (const policy of [
    'some',
    { allow: [''] },
    { allow: ['a b'] },
    { allow: ['1.2.3.4/99'] },
    { allow: ['::/200'] },
    { allow: 'x' },
    { allow: [], deny: [] },
  ]) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', network: policy },
    })
    assert.equal(reply.status, 400, JSON.stringify(policy))
  }
})

test('what the operator allows is reachable, and nothing more than that', async () => {
  const own = await startServer({ network, env: { CLOCHE_EGRESS_ALLOW_PRIVATE: '10.9.0.0/16' } })
  try {
    const result = await own.admin.execute({
      language: 'python',
      code: `
import urllib.request
for host in ("${addresses.privateA}", "private.test", "${addresses.privateB}", "${addresses.metadata}", "127.0.0.1"):
    try: print(urllib.request.urlopen(f"http://{host}/", timeout=3).read().decode().strip())
    except OSError: print("refused")`,
      network: 'all',
      timeoutMs: 30_000,
    })
    const reached = `far side ${addresses.privateA}:80`
    assert.deepEqual(
      result.stdout.trim().split('\n'),
      [reached, reached, 'refused', 'refused', 'refused'],
      result.stderr,
    )
  } finally {
    await own.stop()
  }
})
