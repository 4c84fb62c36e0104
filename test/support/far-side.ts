/**
 * The hosts of the test network: an HTTP server and a datagram counter on every address, and a name server whose zone
 * arrives on standard input. Answers one JSON line for each JSON line it is sent.
 */
import dgram from 'node:dgram'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createInterface } from 'node:readline'
import { addresses, type Zone } from './test-network.ts'

const connections: Record<string, number> = {}
const datagrams: Record<string, number> = {}
const queries: string[] = []
const served = new Map<string, number>()
let zone: Zone = {}

function count(counters: Record<string, number>, address: string): void {
  const plain = address.replace(/^::ffff:/, '')
  counters[plain] = (counters[plain] ?? 0) + 1
}

function nameIn(query: Buffer): { name: string; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  const out = Buffer.alloc(16)
  for (const [index, group] of groups.entries()) out.writeUInt16BE(Number.parseInt(group, 16), index * 2)
  return out
}

function record(address: string): Buffer {
  const data = address.includes(':') ? ipv6Bytes(address) : Buffer.from(address.split('.').map(Number))
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(address.includes(':') ? 28 : 1, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(0, 6) // no time to live: whoever resolves again is answered anew
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

/** A list with several entries is served one after the other, which is what a rebinding attacker does. */
function answersFor(name: string, type: number): string[] {
  const family = (zone[name] ?? []).filter((address) => address.includes(':') === (type === 28))
  if (family.length <= 1) return [...family]
  const turn = served.get(`${name}/${type}`) ?? 0
  served.set(`${name}/${type}`, turn + 1)
  return [family[turn % family.length] ?? '']
}

function answer(query: Buffer): Buffer {
  const { name, end } = nameIn(query)
  const type = query.readUInt16BE(end)
  queries.push(`${name}/${type}`)
  const records = answersFor(name, type).map(record)
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(zone[name] === undefined ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, query.subarray(12, end + 4), ...records])
}

function listenForNames(): Promise<void> {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (query, peer) => socket.send(answer(query), peer.port, peer.address))
  return new Promise((resolve) => socket.bind(53, addresses.dns, resolve))
}

function listenForHttp(port: number): Promise<void> {
  const server = http.createServer((request, response) => {
    response.setHeader('connection', 'close')
    response.end(`far side ${request.socket.localAddress?.replace(/^::ffff:/, '')}:${port}\n`)
  })
  server.on('connection', (socket) => count(connections, socket.localAddress ?? '?'))
  return new Promise((resolve) => server.listen(port, '::', resolve))
}

async function listenForDatagrams(): Promise<void> {
  for (const address of Object.values(addresses)) {
    const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', () => count(datagrams, address))
    await new Promise<void>((resolve) => socket.bind(4444, address, resolve))
  }
}

/** Echo requests that this namespace's kernel has seen. */
function pingsReceived(): number {
  const [names = '', values = ''] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Icmp:'))
  const four = Number(values.split(' ')[names.split(' ').indexOf('InEchos')] ?? 0)
  const six = Number(/Icmp6InEchos\s+(\d+)/.exec(readFileSync('/proc/net/snmp6', 'utf8'))?.[1] ?? 0)
  return four + six
}

interface Command {
  readonly zone?: Zone
  readonly hits?: boolean
}

function obey(command: Command): unknown {
  if (command.zone !== undefined) {
    zone = command.zone
    served.clear()
    return {}
  }
  return { connections, datagrams, queries, pings: pingsReceived() }
}

await Promise.all([listenForNames(), listenForHttp(80), listenForHttp(8080), listenForDatagrams()])
process.stdout.write('{"ready":true}\n')
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(obey(JSON.parse(line) as Command))}\n`) // only test-network.ts writes here
}
process.exit(0)
