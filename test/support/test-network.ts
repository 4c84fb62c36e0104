/**
 * A small internet of the tests' own, in two network namespaces joined by a veth pair: the server runs in one, the
 * other holds hosts with public, private, link-local and metadata addresses plus a name server whose answers a test
 * scripts. Nothing in it can reach, or be reached from, the machine's own network.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { within } from './eventually.ts'
import { node24Path } from './requirements.ts'

/** Where the name server and the hosts of the far side listen. */
export const addresses = {
  dns: '11.22.33.53',
  allowed: '11.22.33.44',
  other: '11.22.33.55',
  privateA: '10.9.8.7',
  privateB: '172.16.5.5',
  privateC: '192.168.77.1',
  carrier: '100.64.1.1',
  metadata: '169.254.169.254',
  publicV6: '2600:1f00::44',
  uniqueLocalV6: 'fd00:1234::1',
} as const

/** The server's own address on the veth: reachable for it, never to be reachable for user code. */
export const serverSideAddress = '11.22.30.1'

/** A name's answers: an address each time, cycling when a list has several (so that a second look-up differs). */
export type Zone = Record<string, readonly string[]>

export interface Hits {
  /** Connections accepted, by local address. */
  readonly connections: Record<string, number>
  /** Datagrams received outside the name server, by local address. */
  readonly datagrams: Record<string, number>
  readonly queries: readonly string[]
  /** Echo requests of both ICMP versions that arrived. */
  readonly pings: number
}

export interface Bridge {
  readonly socketPath: string
  close(): void
}

export interface TestNetwork {
  /** The command prefix that runs a program on the server's side. */
  enterServerSide(): string[]
  bridgeTo(port: number): Promise<Bridge>
  zone(zone: Zone): Promise<void>
  hits(): Promise<Hits>
  close(): void
}

const here = dirname(fileURLToPath(import.meta.url))

function holdNamespaces(flags: readonly string[], prepare: string): Promise<ChildProcess> {
  const child = spawn('unshare', [...flags, 'sh', '-c', `${prepare}\necho held\nexec sleep 7200`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return within(
    new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve(child))
      child.once('exit', (code) =>
        reject(new Error(`could not make a network namespace (unshare ended with ${code})`)),
      )
    }),
    10_000,
    'a network namespace',
  )
}

function inNamespace(pid: number, script: string): void {
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'sh', '-ec', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function join4(): string {
  return Object.values(addresses)
    .map((address) => `ip addr add ${address}/${address.includes(':') ? '128 nodad' : '32'} dev lo`)
    .join('\n')
}

function wire(serverSide: number, farSide: number): void {
  inNamespace(
    serverSide,
    `ip link set lo up
     ip link add far type veth peer name near netns /proc/${farSide}/ns/net
     ip addr add ${serverSideAddress}/30 dev far
     ip addr add 2600:1f00:30::1/64 dev far nodad
     ip link set far up`,
  )
  inNamespace(
    farSide,
    `ip link set lo up
     ip addr add 11.22.30.2/30 dev near
     ip addr add 2600:1f00:30::2/64 dev near nodad
     ip link set near up
     ${join4()}`,
  )
  inNamespace(
    serverSide,
    'ip route add default via 11.22.30.2 && ip -6 route add default via 2600:1f00:30::2',
  )
}

interface FarSide {
  ask(command: object): Promise<unknown>
  close(): void
}

async function startFarSide(pid: number): Promise<FarSide> {
  const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, node24Path, join(here, 'far-side.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const read = async (): Promise<unknown> => {
    const line = await within(lines.next(), 10_000, 'an answer of the far side')
    if (line.done === true) throw new Error('the far side of the test network ended')
    return JSON.parse(line.value)
  }
  await read()
  let last: Promise<unknown> = Promise.resolve()
  return {
    ask(command) {
      last = last.then(() => {
        child.stdin.write(`${JSON.stringify(command)}\n`)
        return read()
      })
      return last
    },
    close: () => child.kill('SIGKILL'),
  }
}

async function startBridge(pid: number, folder: string, port: number): Promise<Bridge> {
  const socketPath = join(folder, `bridge-${port}.sock`)
  const child = spawn(
    'nsenter',
    [`--net=/proc/${pid}/ns/net`, node24Path, join(here, 'bridge.ts'), socketPath, String(port)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await within(
    new Promise((resolve) => child.stdout.once('data', resolve)),
    10_000,
    'the bridge to the server',
  )
  return { socketPath, close: () => child.kill('SIGKILL') }
}

export async function createTestNetwork(): Promise<TestNetwork> {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-network-'))
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `nameserver ${addresses.dns}\noptions timeout:1 attempts:2\n`)
  const serverSide = await holdNamespaces(
    ['--net', '--mount', '--propagation', 'private'],
    `mount --bind ${resolvConf} /etc/resolv.conf || exit 1`,
  )
  const farHolder = await holdNamespaces(['--net'], ':')
  const serverPid = serverSide.pid ?? 0
  const farPid = farHolder.pid ?? 0
  wire(serverPid, farPid)
  const farSide = await startFarSide(farPid)
  return {
    enterServerSide: () => [
      'nsenter',
      `--net=/proc/${serverPid}/ns/net`,
      `--mount=/proc/${serverPid}/ns/mnt`,
    ],
    bridgeTo: (port) => startBridge(serverPid, folder, port),
    async zone(zone) {
      await farSide.ask({ zone })
    },
    hits: async () => (await farSide.ask({ hits: true })) as Hits, // far-side.ts answers exactly this shape
    close() {
      farSide.close()
      farHolder.kill('SIGKILL')
      serverSide.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
