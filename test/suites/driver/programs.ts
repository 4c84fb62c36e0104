import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isClocheError } from '../../../src/model/errors.ts'
import { eventually, within } from '../../support/eventually.ts'
import { command, finish, type Make, sh } from './pieces.ts'

export function programs(make: Make): void {
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

export function terminals(make: Make): void {
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
