import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import { mayRun, outcome, stage } from './stage.ts'
import { execFields, Flag, Type, u32 } from './wire.ts'

test('the worker becomes the program of one job, and no job comes after it', { skip: mayRun }, async (t) => {
  const init = await stage(t, { worker: true })
  const end = await outcome(init.exec({ flags: Flag.runtime, job: 'echo $(id -u); echo err >&2; exit 4' }))
  assert.deepEqual([end.stdout, end.stderr, end.status], ['1000\n', 'err\n', 4 << 8])
  const second = await outcome(init.exec({ flags: Flag.runtime, job: 'echo no' }))
  assert.match(second.error?.text ?? '', /^ESRCH: .*no runtime/)
})

test('a kept worker runs job after job, also those that came before it was ready', {
  skip: mayRun,
}, async (t) => {
  const init = await stage(t, { worker: true })
  const wires = Array.from({ length: 40 }, (_, i) =>
    init.exec({ flags: Flag.runtime | Flag.keep, job: `exit ${i}` }),
  )
  const ends = await Promise.all(wires.map((wire) => outcome(wire)))
  assert.deepEqual(
    ends.map((end) => end.status),
    wires.map((_, i) => i << 8),
  )
  assert.ok(wires.every((wire) => wire.frames[0]?.type === Type.started))
})

test('a job may be as big as all fields together, and has its own input', { skip: mayRun }, async (t) => {
  const init = await stage(t, { worker: true })
  const wire = init.connect()
  const part = execFields({ job: '#'.repeat(60_000) })
  for (let i = 0; i < 17; i++) wire.send(Type.execPart, part)
  wire.send(Type.exec, execFields({ flags: Flag.runtime | Flag.stdin, job: '\ncat' }))
  wire.send(Type.stdin, Buffer.from('through'))
  wire.send(Type.stdin)
  const end = await outcome(wire)
  assert.deepEqual([end.stdout, end.status], ['through', 0])
})

test('a lost connection kills the job it was for, whether it had begun or not', {
  skip: mayRun,
}, async (t) => {
  const init = await stage(t, { worker: true })
  const lost = init.exec({ flags: Flag.runtime | Flag.keep, job: 'echo $$; exec sleep 1000' })
  await lost.next(Type.stdout)
  const pid = Number(lost.text())
  lost.close()
  const never = init.exec({ flags: Flag.runtime | Flag.keep, job: 'exec sleep 1000' })
  never.close()
  for (;;) {
    const { stdout } = await init.run(`pgrep -x sleep; [ -d /proc/${pid} ] && echo there`)
    if (stdout === '') break
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const after = await outcome(init.exec({ flags: Flag.runtime | Flag.keep, job: 'echo on' }))
  assert.equal(after.stdout, 'on\n')
})

test('a kill does not wait for a worker that takes no job', { skip: mayRun }, async (t) => {
  const init = await stage(t, { worker: true })
  const first = init.exec({ flags: Flag.runtime | Flag.keep, job: 'hang' })
  const second = init.exec({ flags: Flag.runtime | Flag.keep, job: 'echo never' })
  second.send(Type.signal, u32(9))
  assert.match((await outcome(second)).error?.text ?? '', /^ECANCELED: killed/)
  assert.equal(first.frames.length, 0)
  first.close()
})

test('whoever waits for a worker that dies is told, and no status is lost meanwhile', {
  skip: mayRun,
}, async (t) => {
  const init = await stage(t, { worker: true })
  const program = init.shell('sleep 0.05; exit 6')
  const first = init.exec({ flags: Flag.runtime | Flag.keep, job: 'hang' })
  const second = init.exec({ flags: Flag.runtime | Flag.keep, job: 'echo never' })
  await new Promise((resolve) => setTimeout(resolve, 100))
  const worker = Number(execFileSync('pgrep', ['-P', String(init.pid), '-f', 'init-fake-worker']))
  process.kill(worker, 'SIGKILL')
  for (const wire of [first, second]) assert.match((await outcome(wire)).error?.text ?? '', /^ESRCH/)
  assert.equal((await outcome(program)).status, 6 << 8)
})
