import assert from 'node:assert/strict'
import test from 'node:test'
import { eventually } from '../../../test/support/eventually.ts'
import { InitPeer, type PeerConnection } from '../../../test/support/init-peer.ts'
import { isClocheError } from '../../model/errors.ts'
import { encodeU32Frame, Frame, WINDOW_BYTES } from '../../protocol/frames.ts'
import { execRequest } from './exec-request.ts'
import { KILL_DEADLINE_MS, START_DEADLINE_MS } from './operation-host.ts'
import { NativeProcess } from './process.ts'

const soon = { withinMs: 3000, everyMs: 2 }

interface Begun {
  readonly peer: InitPeer
  readonly process: NativeProcess
  readonly inside: PeerConnection
  readonly output: Buffer[]
}

async function begin(
  t: { after(action: () => Promise<void>): void },
  more: { stdin?: boolean; pty?: { cols: number; rows: number }; signal?: AbortSignal } = {},
): Promise<Begun> {
  const peer = await InitPeer.start(t)
  const { signal, ...spec } = more
  const request = execRequest({ kind: 'argv', argv: ['cat', 'x'], env: {}, cwd: '/', stdin: false, ...spec })
  const process = new NativeProcess(peer, request, signal)
  const output: Buffer[] = []
  process.onOutput((_, chunk) => output.push(chunk))
  const inside = await peer.connection()
  await inside.next(Frame.exec)
  return { peer, process, inside, output }
}

test('output is delivered before the end is told', async (t) => {
  const { process, inside, output } = await begin(t)
  inside.started()
  inside.send(Frame.stdout, 'a')
  inside.send(Frame.stderr, 'b')
  inside.exit(3 << 8)
  assert.deepEqual(await process.exited, { code: 3, signal: null })
  assert.equal(Buffer.concat(output).toString(), 'ab')
  assert.notEqual(process.startedAtMs, undefined)
  await eventually(() => inside.closed, { ...soon, what: 'the host lets go' })
})

test('a program that cannot be started is an error with its name and reason', async (t) => {
  const { process, inside } = await begin(t)
  inside.send(Frame.error, Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from('ENOENT: cat not found')]))
  await assert.rejects(
    process.exited,
    (error) => isClocheError(error, 'program_not_started') && /"cat".*ENOENT/.test(error.detail),
  )
})

for (const [what, misbehave] of Object.entries({
  'an end without a start': (inside) => inside.exit(0),
  'two starts': (inside) => {
    inside.started()
    inside.started()
  },
  'a frame of another operation': (inside) => inside.send(Frame.datagram, 'abcd'),
  'credit that was never used up': (inside) => inside.raw(encodeU32Frame(Frame.creditStdin, 1)),
  'empty output without end': (inside) => {
    for (let i = 0; i < 3; i++) inside.send(Frame.stdout)
  },
  'more output than the window': (inside) => {
    inside.started()
    for (let bytes = 0; bytes <= WINDOW_BYTES; bytes += 65_536)
      inside.send(Frame.stdout, Buffer.alloc(65_536))
  },
} satisfies Record<string, (inside: PeerConnection) => void>)) {
  test(`${what} is a protocol error`, async (t) => {
    const { peer, process, inside } = await begin(t)
    process.pause()
    misbehave(inside)
    await assert.rejects(process.exited, /lost/)
    assert.equal(peer.failures[0]?.cause, 'protocol_error')
  })
}

test('a reader that keeps up gives credit back; a paused one only when it goes on', async (t) => {
  const { process, inside } = await begin(t)
  inside.started()
  for (let i = 0; i < 2; i++) inside.send(Frame.stdout, Buffer.alloc(65_536))
  await inside.next(Frame.credit)
  process.pause()
  const before = inside.frames.length
  for (let i = 0; i < 2; i++) inside.send(Frame.stdout, Buffer.alloc(65_536))
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(inside.frames.length, before)
  process.resume()
  await eventually(() => inside.frames.length > before, { ...soon, what: 'the credit' })
})

test('input goes no further than the window, and on when credit comes', async (t) => {
  const { process, inside } = await begin(t, { stdin: true })
  inside.started()
  let written = false
  const writing = process.writeStdin(Buffer.alloc(WINDOW_BYTES + 1000)).then(() => {
    written = true
  })
  await eventually(() => inside.bytesOf(Frame.stdin) === WINDOW_BYTES, { ...soon, what: 'one window' })
  assert.equal(written, false)
  process.endStdin()
  inside.raw(encodeU32Frame(Frame.creditStdin, 5000))
  await writing
  await eventually(() => inside.frames.at(-1)?.payload.length === 0, { ...soon, what: 'the end of input' })
  assert.equal(inside.bytesOf(Frame.stdin), WINDOW_BYTES + 1000)
})

test('who waits to write is let go when the program ends', async (t) => {
  const { process, inside } = await begin(t, { stdin: true })
  inside.started()
  const writing = process.writeStdin(Buffer.alloc(WINDOW_BYTES + 1))
  inside.exit(0)
  await writing
  await process.exited
})

test('input and window sizes a program has no use for are never sent', async (t) => {
  const { process, inside } = await begin(t)
  await process.writeStdin(Buffer.from('x'))
  process.endStdin()
  process.resize({ cols: 1, rows: 1 })
  process.signal('SIGUSR1')
  assert.equal((await inside.next(Frame.signal)).readUInt32LE(0), 10)
  assert.deepEqual(
    inside.frames.map((frame) => frame.type),
    [Frame.exec, Frame.signal],
  )
})

test('aborting closes the connection, which kills, and tells the reason', async (t) => {
  const controller = new AbortController()
  const { process, inside } = await begin(t, { signal: controller.signal })
  controller.abort(new Error('time is over'))
  await assert.rejects(process.exited, /time is over/)
  await eventually(() => inside.closed, { ...soon, what: 'the close' })
})

test('a start or a kill that is never answered ends the sandbox as unresponsive', async (t) => {
  const { peer, process, inside } = await begin(t)
  await peer.clock.advance(START_DEADLINE_MS)
  assert.equal(peer.failures.length, 1)
  inside.started()
  await eventually(() => process.startedAtMs !== undefined, { ...soon, what: 'the start' })
  process.kill()
  assert.equal((await inside.next(Frame.signal)).readUInt32LE(0), 9)
  await peer.clock.advance(KILL_DEADLINE_MS)
  assert.deepEqual(
    peer.failures.map((failure) => failure.cause),
    ['unresponsive', 'unresponsive'],
  )
})

test('no timer outlives the program', async (t) => {
  const { peer, process, inside } = await begin(t)
  inside.started()
  process.kill()
  inside.exit(9)
  assert.deepEqual(await process.exited, { code: null, signal: 'SIGKILL' })
  assert.equal(peer.clock.waiting, 0)
})
