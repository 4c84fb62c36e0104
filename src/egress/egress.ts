/*
 * egress: the only way out of a sandbox. Its connections and name questions arrive here as events; this module decides,
 * resolves and dials itself.
 *
 * Guarantees: a policy is judged by the name the program asked for (it only ever sees made-up addresses), the connection by
 * the address the host itself resolved, for every policy; loopback, private, link-local, metadata, multicast and the
 * machine's own addresses are never reached unless the operator opened them; DNS rebinding has nothing to rebind. Each
 * sandbox has a bounded number of connections and its own bandwidth.
 * Does not: look into what is transferred, carry UDP or ICMP, or know what a request or tenant is.
 */
import { connect, type Socket } from 'node:net'
import type { EgressChannel, EgressConnection } from '../sandbox/driver.ts'
import type { Clock } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import type { Metrics } from '../std/metrics.ts'
import { AddressGuard } from './addresses.ts'
import { Bandwidth } from './bandwidth.ts'
import {
  Code,
  encodeAddress,
  encodeEmpty,
  encodeRefusal,
  parseQuestion,
  type Question,
  Type,
} from './dns-message.ts'
import { NameTable } from './name-table.ts'
import { compilePolicy, type NetworkPolicy, type NetworkRequest, normaliseName } from './policy.ts'
import { relay } from './relay.ts'
import { type Lookup, nameServerLookup, Resolver } from './resolver.ts'

export interface EgressSettings {
  /** Networks that may be reached although they are private or our own. */
  readonly allowPrivate: readonly string[]
  readonly maxConnections: number
  readonly bytesPerSecond: number
  readonly connectTimeoutMs: number
  /** Addresses of name servers; empty: those of the system. */
  readonly nameServers: readonly string[]
}

export interface EgressParts {
  readonly settings: EgressSettings
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly lookup?: Lookup
}

/**
 * A place the operator named: reached at this port wherever it is, on a private network or this machine too. The name with an
 * address stands for that address, one without is looked up.
 */
export interface VouchedPlace {
  readonly name: string
  readonly port: number
  readonly address?: string
}

/** One sandbox's way out, until it is closed. */
export interface EgressSession {
  /** Cuts every connection. */
  close(): void
}

/** The made-up address stays the name's own for as long as the sandbox lives. */
const TTL_SECONDS = 60
const DNS_TIMEOUT_MS = 2500
/** Questions of one sandbox that wait for an answer. */
const MOST_QUESTIONS = 32
const MOST_TRIES = 4

export class Egress {
  readonly #parts: EgressParts
  readonly #guard: AddressGuard
  readonly #resolver: Resolver
  readonly #count: (outcome: string) => void
  readonly #bytes: (bytes: number) => void
  #open = 0

  constructor(parts: EgressParts) {
    this.#parts = parts
    this.#guard = new AddressGuard(parts.settings.allowPrivate, () => parts.clock.monotonic())
    this.#resolver = new Resolver(
      parts.lookup ?? nameServerLookup(parts.settings.nameServers, DNS_TIMEOUT_MS),
    )
    const connections = parts.metrics.counter(
      'cloche_egress_connections_total',
      'Connections out of sandboxes, by outcome.',
    )
    const bytes = parts.metrics.counter(
      'cloche_egress_bytes_total',
      'Bytes relayed for sandboxes, both ways.',
    )
    parts.metrics.gauge(
      'cloche_egress_connections',
      'Connections out of sandboxes, open now.',
      () => this.#open,
    )
    this.#count = (outcome) => connections.add(1, { outcome })
    this.#bytes = (amount) => bytes.add(amount)
  }

  /** Serves a sandbox's channel by this policy, and the vouched places. Call it in the turn the channel was made. */
  serve(
    channel: EgressChannel,
    request: NetworkRequest,
    sandboxId: string,
    vouched: readonly VouchedPlace[] = [],
  ): EgressSession {
    const policy = compilePolicy(request)
    const session = new Session(this.#parts, this.#guard, this.#resolver, policy, vouched, {
      opened: () => void this.#open++,
      closed: (bytes) => {
        this.#open--
        this.#bytes(bytes)
      },
      decided: (outcome, target, reason) => {
        this.#count(outcome)
        if (reason !== undefined) this.#parts.log.debug('egress refused', { sandboxId, target, reason })
      },
    })
    channel.onConnection((connection) => void session.connection(connection))
    channel.onDns((question, reply) => void session.question(question, reply))
    void channel.closed.then(() => session.close())
    return {
      close: () => {
        channel.close()
        session.close()
      },
    }
  }
}

interface Tally {
  opened(): void
  closed(bytes: number): void
  decided(outcome: 'connected' | 'refused' | 'failed', target: string, reason?: string): void
}

class Session {
  readonly #parts: EgressParts
  readonly #guard: AddressGuard
  readonly #resolver: Resolver
  readonly #policy: NetworkPolicy
  readonly #vouched: readonly VouchedPlace[]
  readonly #tally: Tally
  readonly #names = new NameTable()
  readonly #bandwidth: Bandwidth
  readonly #sockets = new Set<Socket>()
  #slots = 0
  #questions = 0
  #closed = false

  constructor(
    parts: EgressParts,
    guard: AddressGuard,
    resolver: Resolver,
    policy: NetworkPolicy,
    vouched: readonly VouchedPlace[],
    tally: Tally,
  ) {
    this.#parts = parts
    this.#guard = guard
    this.#resolver = resolver
    this.#policy = policy
    this.#vouched = vouched
    this.#tally = tally
    this.#bandwidth = new Bandwidth(parts.settings.bytesPerSecond, parts.clock)
  }

  close(): void {
    this.#closed = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async connection(connection: EgressConnection): Promise<void> {
    const target = `${this.#names.nameOf(connection.address) ?? connection.address}:${connection.port}`
    if (this.#closed || this.#slots >= this.#parts.settings.maxConnections) {
      this.#tally.decided('refused', target, 'too many connections')
      return connection.refuse()
    }
    this.#slots++
    try {
      await this.#carry(connection, target)
    } finally {
      this.#slots--
    }
  }

  async #carry(connection: EgressConnection, target: string): Promise<void> {
    const reachable = await this.#reachable(connection.address, connection.port)
    if (!Array.isArray(reachable)) {
      this.#tally.decided('refused', target, reachable.reason)
      return connection.refuse()
    }
    const socket = await this.#dial(reachable, connection.port)
    if (socket === undefined || this.#closed) {
      socket?.destroy()
      this.#tally.decided('failed', target)
      return connection.refuse()
    }
    this.#tally.decided('connected', target)
    this.#tally.opened()
    this.#sockets.add(socket)
    const bytes = await relay(connection.accept(), socket, this.#bandwidth, this.#parts.clock)
    this.#sockets.delete(socket)
    this.#tally.closed(bytes)
  }

  /** The addresses the connection may be dialled to, or why there are none. */
  async #reachable(address: string, port: number): Promise<string[] | { readonly reason: string }> {
    const name = this.#names.nameOf(address)
    const place = this.#vouched.find((one) => one.port === port && one.name === (name ?? address))
    if (place !== undefined) return this.#vouchedAddresses(place)
    // A vouched name is known at every port, but only its own is vouched for.
    if (name === undefined ? !this.#policy.allowsAddress(address) : !this.#policy.allowsName(name))
      return { reason: 'the policy does not list it' }
    const found = name === undefined ? [address] : await this.#lookUp(name)
    const verdicts = found.map((one) => ({ one, verdict: this.#guard.judge(one) }))
    const allowed = verdicts.flatMap(({ one, verdict }) => (verdict.allowed ? [one] : []))
    if (allowed.length > 0) return allowed.slice(0, MOST_TRIES)
    const reasons = verdicts.flatMap(({ verdict }) => (verdict.allowed ? [] : [verdict.reason]))
    return { reason: reasons[0] ?? 'the name cannot be resolved' }
  }

  async #vouchedAddresses(place: VouchedPlace): Promise<string[] | { readonly reason: string }> {
    const found = place.address === undefined ? await this.#lookUp(place.name) : [place.address]
    return found.length > 0 ? found.slice(0, MOST_TRIES) : { reason: 'the name cannot be resolved' }
  }

  async #lookUp(name: string): Promise<readonly string[]> {
    const resolved = await this.#resolver.resolve(name)
    return resolved.kind === 'addresses' ? resolved.addresses : []
  }

  async #dial(addresses: readonly string[], port: number): Promise<Socket | undefined> {
    for (const address of addresses) {
      const socket = await open(address, port, this.#parts.settings.connectTimeoutMs)
      if (socket !== undefined || this.#closed) return socket
    }
    return undefined
  }

  async question(packet: Buffer, reply: (answer: Uint8Array) => void): Promise<void> {
    const parsed = parseQuestion(packet)
    if (parsed.kind === 'refused') reply(encodeRefusal(parsed.id, parsed.code))
    if (parsed.kind !== 'question') return
    // Dropped, as datagrams are; whoever asked asks again.
    if (this.#questions >= MOST_QUESTIONS) return
    this.#questions++
    reply(await this.#answer(parsed.question))
    this.#questions--
  }

  /** Names outside the policy do not exist, and nobody is asked about them. */
  async #answer(question: Question): Promise<Buffer> {
    const name = normaliseName(question.name)
    if (name === undefined) return encodeEmpty(question, Code.noSuchName)
    const places = this.#vouched.filter((one) => one.name === name)
    if (places.length === 0 && !this.#policy.allowsName(name)) return encodeEmpty(question, Code.noSuchName)
    if (!places.some((one) => one.address !== undefined)) {
      const resolved = await this.#resolver.resolve(name)
      if (resolved.kind === 'missing') return encodeEmpty(question, Code.noSuchName)
      if (resolved.kind === 'failed') return encodeEmpty(question, Code.serverFailure)
    }
    if (question.type !== Type.a) return encodeEmpty(question, Code.ok)
    const address = this.#names.addressOf(name)
    return address === undefined
      ? encodeEmpty(question, Code.serverFailure)
      : encodeAddress(question, address, TTL_SECONDS)
  }
}

function open(address: string, port: number, timeoutMs: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    const failed = (): void => {
      socket.destroy()
      resolve(undefined)
    }
    const timer = setTimeout(failed, timeoutMs)
    socket.once('error', failed).once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      resolve(socket)
    })
    socket.once('close', () => clearTimeout(timer))
  })
}
