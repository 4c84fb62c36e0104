/*
 * The other end of the init protocol, played by a test: a unix socket whose connections say what the host sent, frame by
 * frame, and send back what the test wants, well-formed or not.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFrame, encodeU32Frame, Frame, FrameReader, TO_INIT } from '../../src/protocol/frames.ts'
import type { EndCause } from '../../src/sandbox/driver.ts'
import { InitConnection } from '../../src/sandbox/native/init-connection.ts'
import type { OperationHost } from '../../src/sandbox/native/operation-host.ts'
import { FakeClock } from '../../src/std/clock.ts'
import { eventually } from './eventually.ts'

/** One connection of the host's, as init sees it. */
export class PeerConnection {
  readonly frames: { readonly type: number; readonly payload: Buffer }[] = []
  closed = false
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    const reader = new FrameReader(TO_INIT, (type, payload) =>
      this.frames.push({ type, payload: Buffer.from(payload) }),
    )
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
    socket.on('end', () => {
      this.closed = true
      socket.end()
    })
  }

  send(type: number, payload: Uint8Array | string = ''): void {
    this.#socket.write(encodeFrame(type, Buffer.from(payload)))
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  started(): void {
    this.#socket.write(encodeU32Frame(Frame.started, 2))
  }

  exit(status: number): void {
    this.#socket.write(encodeU32Frame(Frame.exit, status))
  }

  hangUp(): void {
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  /** Resolves with the first frame of this type that has come, or comes. */
  async next(type: number): Promise<Buffer> {
    return (
      await eventually(() => this.frames.find((frame) => frame.type === type), {
        withinMs: 3000,
        everyMs: 2,
        what: `a frame of type 0x${type.toString(16)}`,
      })
    ).payload
  }

  bytesOf(type: number): number {
    return this.frames.reduce((sum, frame) => sum + (frame.type === type ? frame.payload.length : 0), 0)
  }
}

/** A peer, and an operation host that connects to it and notes what would have ended the sandbox. */
export class InitPeer implements OperationHost {
  readonly clock: FakeClock = new FakeClock()
  readonly connections: PeerConnection[] = []
  readonly failures: { readonly cause: EndCause; readonly detail: string }[] = []
  readonly path: string
  /** What the host has connected and neither closed nor lost. */
  readonly open: Set<InitConnection> = new Set()
  readonly #folder: string
  readonly #server: Server

  private constructor(folder: string) {
    this.#folder = folder
    this.path = join(folder, 's')
    this.#server = createServer({ allowHalfOpen: true }, (socket) =>
      this.connections.push(new PeerConnection(socket)),
    )
  }

  static async start(t: { after(action: () => Promise<void>): void }): Promise<InitPeer> {
    const peer = new InitPeer(await mkdtemp(join(tmpdir(), 'cloche-peer-')))
    await new Promise<void>((resolve) => peer.#server.listen(peer.path, resolve))
    t.after(() => peer.#stop())
    return peer
  }

  connect(): InitConnection {
    const connection = new InitConnection(this.path, {
      protocolError: (detail) => this.fail('protocol_error', detail),
      gone: (one) => assert.ok(this.open.delete(one), 'a connection goes once'),
    })
    this.open.add(connection)
    return connection
  }

  fail(cause: EndCause, detail: string): void {
    this.failures.push({ cause, detail })
  }

  connectionLost(why: string): Promise<Error> {
    return Promise.resolve(new Error(`lost: ${why}`))
  }

  async connection(at = 0): Promise<PeerConnection> {
    return eventually(() => this.connections[at], { withinMs: 3000, everyMs: 2, what: `connection ${at}` })
  }

  async #stop(): Promise<void> {
    for (const connection of this.connections) connection.hangUp()
    await new Promise((resolve) => this.#server.close(resolve))
    await rm(this.#folder, { recursive: true, force: true })
  }
}
