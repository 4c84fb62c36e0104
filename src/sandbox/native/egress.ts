import type { Duplex } from 'node:stream'
import {
  encodeFrame,
  encodeU32Frame,
  Frame,
  MAX_DATAGRAM_BYTES,
  ProtocolError,
} from '../../protocol/frames.ts'
import { decodeIncoming, type Incoming } from '../../protocol/incoming.ts'
import type { Timer } from '../../std/clock.ts'
import type { EgressChannel, EgressConnection } from '../driver.ts'
import { portUnreachable } from '../failures.ts'
import { ByteStream } from './byte-stream.ts'
import type { InitConnection, Operation } from './init-connection.ts'
import type { OperationHost } from './operation-host.ts'

/** Connections nobody has decided about yet, and questions nobody has answered: beyond these a sandbox is refused. */
const MAX_UNDECIDED = 256
const MAX_UNANSWERED = 256
const DECISION_DEADLINE_MS = 60_000

/** Connections and questions read in a row, and how soon after them more are read: what a flood may cost the host. */
const BURST = 512
const BURST_PAUSE_MS = 250

/** The LISTEN operation: what leaves the sandbox arrives here, to be judged by whoever listens. */
export class NativeEgressChannel implements EgressChannel, Operation {
  readonly closed: Promise<void>
  readonly #host: OperationHost
  readonly #connection: InitConnection
  readonly #undecided = new Map<number, PendingConnection>()
  #unanswered = 0
  #burst = 0
  #burstTimer: Timer | undefined
  #onConnection: ((connection: EgressConnection) => void) | undefined
  #onDns: ((question: Buffer, reply: (answer: Uint8Array) => void) => void) | undefined
  #resolveClosed!: () => void

  constructor(host: OperationHost) {
    this.#host = host
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#connection = host.connect()
    this.#connection.begin(this)
    this.#connection.sendPayload(Frame.listen, new Uint8Array(0))
  }

  onConnection(listener: (connection: EgressConnection) => void): void {
    this.#onConnection = listener
  }

  onDns(listener: (question: Buffer, reply: (answer: Uint8Array) => void) => void): void {
    this.#onDns = listener
  }

  close(): void {
    this.#connection.close()
    this.#end()
  }

  frame(type: number, payload: Buffer): void {
    this.#meter()
    switch (type) {
      case Frame.incoming:
        this.#incoming(payload)
        break
      case Frame.datagram:
        this.#datagram(payload)
        break
      case Frame.exit:
      case Frame.error:
        this.close()
        break
      default:
        throw new ProtocolError(`a frame of type 0x${type.toString(16)} on the egress channel`)
    }
  }

  lost(why: string): void {
    this.#end()
    void this.#host.connectionLost(why)
  }

  /** A flood waits in the sandbox, by not being read: its own queue fills, and the kernel drops what is too much. */
  #meter(): void {
    this.#burst++
    if (this.#burst === BURST) this.#connection.pause()
    this.#burstTimer ??= this.#host.clock.after(BURST_PAUSE_MS, () => {
      this.#burstTimer = undefined
      this.#burst = 0
      this.#connection.resume()
    })
  }

  #incoming(payload: Buffer): void {
    const incoming = decodeIncoming(payload)
    if (incoming === undefined) throw new ProtocolError('a connection of an unknown address family')
    if (this.#undecided.has(incoming.connection)) throw new ProtocolError('a connection announced twice')
    const pending = new PendingConnection(this.#host, incoming, () =>
      this.#undecided.delete(incoming.connection),
    )
    this.#undecided.set(incoming.connection, pending)
    if (this.#onConnection === undefined || this.#undecided.size > MAX_UNDECIDED) pending.refuse()
    else this.#onConnection(pending)
  }

  #datagram(payload: Buffer): void {
    // A question nobody can take now is lost, as datagrams are; the resolver inside asks again.
    if (this.#onDns === undefined || this.#unanswered >= MAX_UNANSWERED) return
    const token = payload.subarray(0, 4)
    let answered = false
    const settled = (): void => {
      answered = true
      this.#unanswered--
      timer.cancel()
    }
    this.#unanswered++
    const timer = this.#host.clock.after(DECISION_DEADLINE_MS, settled)
    this.#onDns(payload.subarray(4), (answer) => {
      if (answered) return
      settled()
      if (answer.length > MAX_DATAGRAM_BYTES) return
      this.#connection.send(encodeFrame(Frame.datagram, Buffer.concat([token, answer])))
    })
  }

  #end(): void {
    this.#burstTimer?.cancel()
    for (const pending of [...this.#undecided.values()]) pending.refuse()
    this.#resolveClosed()
  }
}

/** One connection waiting for the host's yes or no. */
class PendingConnection implements EgressConnection {
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
  readonly #host: OperationHost
  readonly #incoming: Incoming
  readonly #decided: () => void
  readonly #deadline: Timer
  #open = true

  constructor(host: OperationHost, incoming: Incoming, decided: () => void) {
    this.address = incoming.address
    this.family = incoming.family
    this.port = incoming.port
    this.#host = host
    this.#incoming = incoming
    this.#decided = decided
    this.#deadline = host.clock.after(DECISION_DEADLINE_MS, () => this.refuse())
  }

  accept(): Duplex {
    if (!this.#decide()) throw new Error(`the connection to ${this.address}:${this.port} was decided already`)
    return this.#stream()
  }

  refuse(): void {
    // Taking it and letting go at once is how init learns that nobody wants it.
    if (this.#decide()) this.#host.connect().sendLast(this.#request())
  }

  #decide(): boolean {
    if (!this.#open) return false
    this.#open = false
    this.#deadline.cancel()
    this.#decided()
    return true
  }

  #stream(): ByteStream {
    const target = `${this.address}:${this.port}`
    return new ByteStream(this.#host, this.#request(), (reason) => portUnreachable(target, reason))
  }

  #request(): Buffer {
    return encodeU32Frame(Frame.accept, this.#incoming.connection)
  }
}
