/*
 * What every sandbox driver must do, tried on the real thing. One suite, many drivers: a test here knows only the interface
 * in src/sandbox/driver.ts. It needs `python3`, `sh` and the usual small tools in the sandbox's root.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { isClocheError } from '../../src/model/errors.ts'
import type { Driver, ExecArgv, Limits, Process, Sandbox, SandboxSpec } from '../../src/sandbox/driver.ts'
import { eventually, within } from '../support/eventually.ts'

export const SUITE_LIMITS: Limits = {
  memoryBytes: 256 << 20,
  cpuMillis: 1000,
  pids: 128,
  diskBytes: 64 << 20,
  inodes: 8192,
}

const SPEC: SandboxSpec = { runtime: 'bare', layers: [], limits: SUITE_LIMITS, network: 'none' }

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
  readonly signal: string | null
}

export function command(argv: readonly string[], more: Partial<ExecArgv> = {}): ExecArgv {
  return { kind: 'argv', argv, env: { PATH: '/usr/bin:/bin' }, cwd: '/workspace', stdin: false, ...more }
}

/** Collects what a program says until it ends. */
export async function finish(process: Process): Promise<Ran> {
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  process.onOutput((stream, chunk) => chunks[stream].push(chunk))
  const { code, signal } = await within(process.exited, 20_000, 'the program ends')
  const text = (stream: 'stdout' | 'stderr'): string => Buffer.concat(chunks[stream]).toString()
  return { stdout: text('stdout'), stderr: text('stderr'), code, signal }
}

export const sh = (sandbox: Sandbox, script: string): Promise<Ran> =>
  finish(sandbox.exec(command(['sh', '-c', script])))

/** `make` gives a driver of its own; the suite closes it. */
export function driverSuite(name: string, make: () => Promise<Driver>): void {
  describe(`driver ${name}`, () => {
    let driver: Driver
    const made: Sandbox[] = []
    const sandbox = async (over: Partial<SandboxSpec> = {}): Promise<Sandbox> => {
      const one = await driver.create({ ...SPEC, ...over })
      made.push(one)
      return one
    }
    before(async () => {
      driver = await make()
    })
    after(async () => {
      await Promise.all(made.map((one) => one.destroy()))
      assert.equal(driver.count(), 0, 'sandboxes left after every one was destroyed')
      await driver.close()
    })
    programs(sandbox)
    terminals(sandbox)
    streams(sandbox)
    files(sandbox)
    trees(sandbox)
    dialling(sandbox)
    egress(sandbox)
    resets(sandbox)
    accounting(sandbox)
    endings(sandbox, () => driver)
  })
}

type Make = (over?: Partial<SandboxSpec>) => Promise<Sandbox>

function programs(make: Make): void {
  test('a program runs as the user, with exactly its environment and working directory', async () => {
    const one = await make()
    const ran = await finish(
      one.exec(
        command(['sh', '-c', 'id -u; pwd; env; echo oops >&2; exit 3'], {
          env: { PATH: '/bin', A: 'ä b' },
          cwd: '/tmp',
        }),
      ),
    )
    const [uid, cwd, ...env] = ran.stdout.trim().split('\n')
    assert.equal(uid, '1000')
    assert.equal(cwd, '/tmp')
    assert.ok(env.includes('A=ä b'))
    assert.deepEqual([ran.stderr, ran.code, ran.signal], ['oops\n', 3, null])
  })

  test('a program that is not there is told apart from one that failed', async () => {
    const one = await make()
    const exited = one.exec(command(['no-such-program'])).exited
    await assert.rejects(
      exited,
      (error) => isClocheError(error, 'program_not_started') && /no-such-program/.test(error.detail),
    )
    await assert.rejects(one.exec(command(['true'], { cwd: '/nowhere' })).exited, (error) =>
      isClocheError(error, 'program_not_started'),
    )
    assert.equal((await sh(one, 'true')).code, 0)
  })

  test('arguments that cannot be sent are refused before anything is', async () => {
    const one = await make()
    assert.throws(
      () => one.exec(command(['echo', 'a\0b'])),
      (error) => isClocheError(error, 'invalid_request'),
    )
    assert.throws(
      () => one.exec(command(['echo', 'x'.repeat(1 << 20)])),
      (error) => isClocheError(error, 'payload_too_large'),
    )
  })

  test('a signal reaches the program, and its end says which', async () => {
    const one = await make()
    const process = one.exec(
      command(['sh', '-c', 'trap "echo caught; exit 7" TERM; echo ready; while :; do sleep 0.05; done']),
    )
    let out = ''
    process.onOutput((stream, chunk) => {
      if (stream === 'stdout') out += chunk
      if (out === 'ready\n') process.signal('SIGTERM')
    })
    assert.deepEqual(await within(process.exited, 5000, 'it ends'), { code: 7, signal: null })
    assert.equal(out, 'ready\ncaught\n')
    const killed = one.exec(command(['sleep', '60']))
    killed.kill()
    assert.deepEqual(await within(killed.exited, 5000, 'it is dead'), { code: null, signal: 'SIGKILL' })
  })

  test('aborting kills the program and rejects with the reason', async () => {
    const one = await make()
    const controller = new AbortController()
    const process = one.exec(command(['sleep', '60']), controller.signal)
    await eventually(() => process.startedAtMs, { withinMs: 5000, what: 'it runs' })
    controller.abort(new Error('enough of that'))
    await assert.rejects(process.exited, /enough of that/)
    await eventually(async () => (await sh(one, 'pgrep -x sleep || echo none')).stdout.trim() === 'none', {
      withinMs: 5000,
      what: 'the program is gone',
    })
  })
}

function terminals(make: Make): void {
  test('many programs run side by side in one sandbox', async () => {
    const one = await make()
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => sh(one, `sleep 0.1; echo ${i}`)))
    assert.deepEqual(
      all.map((ran) => Number(ran.stdout)),
      Array.from({ length: 20 }, (_, i) => i),
    )
  })

  test('a terminal has its size, can be resized and carries both ways', async () => {
    const one = await make()
    const process = one.exec(
      command(['sh', '-c', 'stty size; read line; echo "got $line"; stty size'], {
        stdin: true,
        pty: { cols: 90, rows: 30 },
      }),
    )
    let out = ''
    process.onOutput((_, chunk) => {
      out += chunk
      if (out === '30 90\r\n') {
        process.resize({ cols: 100, rows: 40 })
        void process.writeStdin(Buffer.from('hello\n'))
      }
    })
    assert.equal((await within(process.exited, 5000, 'it ends')).code, 0)
    assert.match(out, /got hello\r\n40 100\r\n$/)
  })
}

function streams(make: Make): void {
  test('50 MB of output arrive byte for byte', async () => {
    const one = await make()
    const script =
      'import sys,hashlib\nh=hashlib.sha256()\nfor i in range(800):\n b=bytes([i%251])*65536; h.update(b); sys.stdout.buffer.write(b)\nsys.stderr.write(h.hexdigest())'
    const process = one.exec(command(['python3', '-c', script]))
    const hash = createHash('sha256')
    let bytes = 0
    let told = ''
    process.onOutput((stream, chunk) => {
      if (stream === 'stderr') told += chunk
      else {
        hash.update(chunk)
        bytes += chunk.length
      }
    })
    await within(process.exited, 30_000, 'all of it')
    assert.equal(bytes, 800 * 65_536)
    assert.equal(hash.digest('hex'), told)
  })

  test('a paused reader holds the program up, and loses nothing', async () => {
    const one = await make()
    const process = one.exec(
      command(['python3', '-c', 'import os\nfor i in range(64): os.write(1, bytes([i])*65536)']),
    )
    let bytes = 0
    process.onOutput((_, chunk) => {
      if (bytes === 0) process.pause()
      bytes += chunk.length
    })
    await eventually(() => bytes >= 200_000, { withinMs: 5000, what: 'one window' })
    const early = await Promise.race([
      process.exited,
      new Promise((resolve) => setTimeout(resolve, 200, 'held')),
    ])
    assert.equal(early, 'held')
    assert.ok(bytes <= 262_144, `${bytes} bytes past a window`)
    process.resume()
    await within(process.exited, 5000, 'the rest')
    assert.equal(bytes, 64 * 65_536)
  })

  test('input of many windows arrives byte for byte', async () => {
    const one = await make()
    const input = randomBytes(3 << 20)
    const process = one.exec(command(['sha256sum'], { stdin: true }))
    const ran = finish(process)
    for (let at = 0; at < input.length; at += 700_001)
      await process.writeStdin(input.subarray(at, at + 700_001))
    process.endStdin()
    assert.equal((await ran).stdout.slice(0, 64), createHash('sha256').update(input).digest('hex'))
  })

  test('a program without input reads its end at once, one that stopped reading holds up nobody', async () => {
    const one = await make()
    assert.equal((await sh(one, 'cat; echo end')).stdout, 'end\n')
    const process = one.exec(command(['sh', '-c', 'exec 0<&-; sleep 0.3; echo done'], { stdin: true }))
    const ran = finish(process)
    await within(process.writeStdin(Buffer.alloc(2 << 20)), 5000, 'the write is let go')
    assert.equal((await ran).stdout, 'done\n')
  })

  test('a grandchild that holds the output open does not hold up the end', async () => {
    const one = await make()
    const began = performance.now()
    assert.equal((await sh(one, 'sleep 30 & echo now')).stdout, 'now\n')
    assert.ok(performance.now() - began < 10_000)
  })
}

function files(make: Make): void {
  test('files go in and come out as they were, folders too', async () => {
    const one = await make()
    const big = randomBytes(5 << 20)
    await one.writeFiles([
      { path: 'deep/er/a.txt', mode: 0o644, content: Buffer.from('ä') },
      { path: 'deep/run.sh', mode: 0o755, content: Buffer.from('#!/bin/sh\necho ran\n') },
      { path: '/tmp/big', mode: 0o600, content: big },
      { path: 'empty', mode: 0o644, content: Buffer.alloc(0) },
    ])
    assert.equal((await sh(one, './deep/run.sh; cat deep/er/a.txt')).stdout, 'ran\nä')
    const found = await one.readFiles(['deep', '/tmp/big', 'empty', 'not-there'], 16 << 20)
    const byPath = new Map(found.map((file) => [file.path, file]))
    assert.equal(byPath.get('deep/er/a.txt')?.content?.toString(), 'ä')
    assert.equal(byPath.get('deep/run.sh')?.mode, 0o755)
    assert.ok(byPath.get('/tmp/big')?.content?.equals(big))
    assert.equal(byPath.get('empty')?.content?.length, 0)
    assert.equal(byPath.get('not-there')?.content, null)
  })

  test('a thousand small files go in and out', async () => {
    const one = await make()
    const many = Array.from({ length: 1000 }, (_, i) => ({
      path: `n/${i}`,
      mode: 0o644,
      content: Buffer.from(String(i)),
    }))
    await one.writeFiles(many)
    const found = await one.readFiles(['n'], 1 << 20)
    assert.equal(found.length, 1000)
    assert.ok(found.every((file) => file.path === `n/${file.content}`))
  })

  test('what the user could not write or hold is refused with a reason', async () => {
    const one = await make()
    const content = Buffer.from('x')
    for (const path of ['/etc/passwd', '/proc/self/mem', '/opt/cloche/init']) {
      await assert.rejects(one.writeFiles([{ path, mode: 0o644, content }]), (error) =>
        isClocheError(error, 'files_refused'),
      )
    }
    const tooBig = { path: 'big', mode: 0o644, content: Buffer.alloc(SUITE_LIMITS.diskBytes + 1) }
    await assert.rejects(one.writeFiles([tooBig]), (error) => isClocheError(error, 'files_refused'))
    assert.equal((await sh(one, 'echo alive')).stdout, 'alive\n')
  })

  test('what is no file is not read: devices, pipes', async () => {
    const one = await make()
    await sh(one, 'mkfifo pipe')
    const found = await within(one.readFiles(['/dev/zero', 'pipe'], 1 << 20), 5000, 'the answer')
    assert.deepEqual(
      found.map((file) => file.content),
      [null, null],
    )
  })

  test('more than the limit is refused, however it is spread over files', async () => {
    const one = await make()
    await sh(one, 'head -c 600000 /dev/zero > a; head -c 600000 /dev/zero > b')
    assert.equal((await one.readFiles(['a'], 1 << 20))[0]?.content?.length, 600_000)
    await assert.rejects(one.readFiles(['a', 'b'], 1 << 20), (error) =>
      isClocheError(error, 'output_limit_exceeded'),
    )
    assert.equal(one.endReason, undefined)
  })
}

function trees(make: Make): void {
  test('a tree comes out whole, folders before their content and links as links, at the pace of who takes it', async () => {
    const one = await make()
    await sh(one, 'mkdir -p t/a; head -c 3000000 /dev/zero > t/a/big; chmod 700 t/a/big; ln -s a/big t/link')
    const parts: string[] = []
    let bytes = 0
    await one.readTree('t', async (part) => {
      if (part.kind !== 'content') parts.push(`${part.kind} ${part.path}`)
      else if ((bytes += part.chunk.length) % 5 === 0) await new Promise(setImmediate)
    })
    assert.deepEqual(parts.sort(), ['file t/a/big', 'folder t', 'folder t/a', 'link t/link'])
    assert.equal(bytes, 3_000_000)
    const enough = new Error('enough')
    await assert.rejects(
      one.readTree('t', async () => {
        throw enough
      }),
      enough,
    )
    assert.equal((await sh(one, 'echo alive')).stdout, 'alive\n')
  })
}

const ECHO_SERVER = `
import socket
server = socket.create_server(("127.0.0.1", 4000))
print("ready", flush=True)
while True:
    peer, _ = server.accept()
    while data := peer.recv(65536): peer.sendall(data)
    peer.sendall(b"bye"); peer.close()
`

async function echoServer(one: Sandbox): Promise<void> {
  const server = one.exec(command(['python3', '-c', ECHO_SERVER]))
  let ready = false
  server.onOutput((_, chunk) => {
    ready ||= chunk.toString() === 'ready\n'
  })
  await eventually(() => ready, { withinMs: 10_000, what: 'the server listens' })
}

function dialling(make: Make): void {
  test('a connection into the sandbox carries both ways, each direction with an end of its own', async () => {
    const one = await make()
    await echoServer(one)
    const sent = randomBytes(2 << 20)
    const stream = one.dial(4000)
    stream.end(sent)
    const got = Buffer.concat(await within(stream.toArray(), 10_000, 'the echo'))
    assert.ok(got.subarray(0, sent.length).equals(sent))
    assert.equal(got.subarray(sent.length).toString(), 'bye')
  })

  test('a port nobody listens on is an error of the stream, an aborted dial too', async () => {
    const one = await make()
    await assert.rejects(one.dial(4001).toArray(), (error) => isClocheError(error, 'port_unreachable'))
    await echoServer(one)
    const controller = new AbortController()
    const stream = one.dial(4000, controller.signal)
    stream.write('x')
    stream.once('data', () => controller.abort(new Error('no more')))
    await assert.rejects(stream.toArray(), /no more/)
  })
}

function egress(make: Make): void {
  test('what leaves a sandbox arrives at the channel: where to, its bytes, and names to look up', async () => {
    const one = await make({ network: 'egress' })
    const channel = one.egress()
    const seen: string[] = []
    channel.onConnection((connection) => {
      seen.push(`${connection.address}:${connection.port}`)
      if (connection.port !== 80) return connection.refuse()
      const stream = connection.accept()
      stream.once('data', (chunk: Buffer) => stream.end(`you said ${chunk}`))
    })
    const questions: Buffer[] = []
    channel.onDns((question, reply) => {
      questions.push(question)
      reply(Buffer.concat([question.subarray(0, 2), Buffer.from('8183', 'hex'), question.subarray(4)]))
    })
    const script = [
      'import socket',
      's = socket.create_connection(("93.184.216.34", 80)); s.sendall(b"hi"); print(s.recv(99).decode())',
      's = socket.create_connection(("93.184.216.34", 81))',
      'try: print("got", s.recv(9))',
      'except ConnectionResetError: print("reset")',
      'try: socket.getaddrinfo("example.org", 80)',
      'except socket.gaierror as error: print(error.errno == socket.EAI_NONAME)',
    ].join('\n')
    const ran = await finish(one.exec(command(['python3', '-c', script])))
    assert.equal(ran.stdout, 'you said hi\nreset\nTrue\n', ran.stderr)
    assert.deepEqual(seen, ['93.184.216.34:80', '93.184.216.34:81'])
    assert.ok(questions.length > 0 && questions.every((question) => question.includes('example')))
    channel.close()
    await within(channel.closed, 1000, 'the channel is closed')
  })

  test('without egress nothing leaves and no channel stays open', async () => {
    const one = await make()
    const script =
      'import socket\ntry: socket.create_connection(("93.184.216.34", 80), 3)\nexcept OSError: print("no way")'
    assert.equal((await finish(one.exec(command(['python3', '-c', script])))).stdout, 'no way\n')
    await within(one.egress().closed, 5000, 'the channel is refused')
  })
}

function resets(make: Make): void {
  test('after a reset no file, process or shared memory of the run before is left', async () => {
    const one = await make()
    await sh(
      one,
      'echo s > secret; mkdir -p a/b; echo s > /tmp/.x; echo s > /dev/shm/s; echo s > /var/tmp/t; (setsid sleep 90 &) ; ipcmk -M 100 || true',
    )
    await within(one.reset(), 10_000, 'it is reset')
    const left = await sh(
      one,
      'find /workspace /tmp /var/tmp /dev/shm -mindepth 1; pgrep -x sleep; tail -n +2 /proc/sysvipc/shm',
    )
    assert.equal(left.stdout, '')
    await one.reset()
    assert.equal((await sh(one, 'echo again')).stdout, 'again\n')
  })
}

const SPIN = 'import time\nend=time.process_time()+0.3\nwhile time.process_time()<end: pass'

function accounting(make: Make): void {
  test('cpu and memory are counted, and counted anew on request', async () => {
    const one = await make()
    await finish(one.exec(command(['python3', '-c', SPIN])))
    await finish(one.exec(command(['python3', '-c', 'x = b"x" * (50 << 20)'])))
    const usage = await one.usage(true)
    assert.ok(usage.cpuUs >= 300_000, `${usage.cpuUs} µs`)
    assert.ok(usage.peakMemoryBytes >= 50 << 20, `${usage.peakMemoryBytes} bytes`)
    const anew = await one.usage()
    assert.ok(anew.cpuUs < 100_000, `${anew.cpuUs} µs after counting anew`)
    assert.ok(anew.peakMemoryBytes < 50 << 20, `${anew.peakMemoryBytes} bytes after counting anew`)
  })

  test('memory beyond the limit kills the program, not the sandbox; a raised limit lets it live', async () => {
    const one = await make()
    const eat = command(['python3', '-c', 'x = b"x" * (400 << 20); print(len(x))'])
    assert.equal((await finish(one.exec(eat))).signal, 'SIGKILL')
    assert.ok((await one.usage()).oomKills > 0)
    assert.equal(one.endReason, undefined)
    await one.limit({ ...SUITE_LIMITS, memoryBytes: 600 << 20 })
    assert.equal((await finish(one.exec(eat))).code, 0)
  })

  test('a frozen sandbox stands still until it is thawed', async () => {
    const one = await make()
    const process = one.exec(command(['sh', '-c', 'while :; do echo tick; sleep 0.02; done']))
    let ticks = 0
    process.onOutput(() => ticks++)
    await eventually(() => ticks > 2, { withinMs: 5000, what: 'it ticks' })
    await one.freeze()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const frozen = ticks
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(ticks, frozen)
    await one.thaw()
    await eventually(() => ticks > frozen + 2, { withinMs: 5000, what: 'it ticks again' })
    process.kill()
    await process.exited
  })
}

function endings(make: Make, driver: () => Driver): void {
  test('destroying ends what runs, tells why, and may be asked twice', async () => {
    const one = await make()
    const before = driver().count()
    const process = one.exec(command(['sleep', '60']))
    await eventually(() => process.startedAtMs, { withinMs: 5000, what: 'it runs' })
    const [first, second] = await within(
      Promise.all([one.destroy(), one.destroy()]),
      10_000,
      'it is destroyed',
    )
    assert.deepEqual(first, second)
    assert.ok(first.cpuUs > 0)
    assert.equal((await one.ended).cause, 'destroyed')
    await assert.rejects(within(process.exited, 5000, 'the program is told'), (error) =>
      isClocheError(error, 'sandbox_lost'),
    )
    assert.throws(
      () => one.exec(command(['true'])),
      (error) => isClocheError(error, 'sandbox_lost'),
    )
    await assert.rejects(one.reset(), (error) => isClocheError(error, 'sandbox_lost'))
    assert.deepEqual(await one.usage(), first)
    assert.equal(driver().count(), before - 1)
  })

  test('a create that is given up leaves nothing', async () => {
    const before = driver().count()
    const controller = new AbortController()
    const creating = driver().create(SPEC, controller.signal)
    controller.abort(new Error('never mind'))
    await assert.rejects(creating, /never mind/)
    await eventually(() => driver().count() === before, { withinMs: 10_000, what: 'it is gone' })
  })

  test('what cannot be made is refused with a reason', async () => {
    const layers = ['f'.repeat(64)]
    await assert.rejects(driver().create({ ...SPEC, layers }), (error) =>
      isClocheError(error, 'sandbox_start_failed'),
    )
  })

  test('thirty sandboxes are made, used and destroyed at once', async () => {
    const all = await Promise.all(Array.from({ length: 30 }, () => make()))
    const said = await Promise.all(all.map((one, i) => sh(one, `echo ${i}`)))
    assert.deepEqual(
      said.map((ran) => Number(ran.stdout)),
      all.map((_, i) => i),
    )
    assert.equal(new Set(all.map((one) => one.id)).size, 30)
    await Promise.all(all.map((one) => one.destroy()))
  })
}
