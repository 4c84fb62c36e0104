import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, type Outcome, outcome, type Stage, sanitized, stage } from './stage.ts'
import { Flag, Type } from './wire.ts'

const options = { skip: mayRun }
const places = '/workspace /tmp /var/tmp /dev/shm'

async function wipe(init: Stage): Promise<Outcome> {
  return await outcome(init.exec({ args: ['wipe'], flags: Flag.builtin }), 60_000)
}

async function reset(init: Stage): Promise<Outcome> {
  const wire = init.connect()
  wire.send(Type.reset)
  return await outcome(wire, 60_000)
}

const deepTree = (depth: number) => `
import os
os.chdir("/workspace")
for i in range(${depth}):
    os.mkdir("d"); os.chdir("d")
open("bottom", "w").close()
`

test('wipe empties every writable place, whatever shape its content has', options, async (t) => {
  const init = await stage(t)
  await init.run(`
    for p in ${places}; do cd $p
      mkdir -p a/b/c .hidden/x; echo 1 > a/b/c/f; echo 2 > .hidden/.y; echo 3 > "$(printf 'new\\nline')"
      ln -s /etc link; ln -s /nowhere dangling; mkfifo fifo; mkdir -p shut/in/side; touch shut/in/f; chmod 000 shut/in shut
      mkdir 'ro' && touch ro/f && chmod 555 ro
      mkdir many; cd many; for i in $(seq 1 300); do mkdir $i; : > $i/f; done
    done`)
  const deep = await outcome(
    init.exec({ args: ['python3', '-c', deepTree(sanitized ? 3000 : 20_000)] }),
    60_000,
  )
  assert.equal(deep.status, 0, deep.stderr)
  const end = await wipe(init)
  assert.deepEqual([end.status, end.stderr], [0, ''])
  assert.equal((await init.run(`find ${places} -mindepth 1`)).stdout, '')
  assert.equal((await init.run('ls /etc/passwd')).stdout, '/etc/passwd\n')
})

test('wipe fails when something remains, and names the place', options, async (t) => {
  const init = await stage(t)
  await init.run('mkdir /tmp/theirs; touch /tmp/theirs/f; chmod 700 /tmp/theirs', { uid: 1001 })
  const end = await wipe(init)
  assert.notEqual(end.status, 0)
  assert.match(end.stderr, /^wipe: E(PERM|ACCES|NOTEMPTY): \/tmp: /)
})

test('a reset leaves nothing: no process, no file, no System V object, no queue', options, async (t) => {
  const init = await stage(t, { worker: true })
  const before = (await init.run('ls -A /proc | grep -c "^[0-9]"')).stdout
  await init.run(`
    ipcmk -M 4096 -S 2 -Q; echo x > f
    python3 -c 'import ctypes; ctypes.CDLL("librt.so.1").mq_open(b"/q", 0o102, 0o600, None)'
    setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; done' & setsid sleep 1000 &`)
  await outcome(init.exec({ args: ['sh', '-c', 'setsid sleep 1001 &'], uid: 1234 }))
  const running = init.exec({ args: ['sleep', '1002'] })
  await running.next(Type.started)
  const job = init.exec({ flags: Flag.runtime | Flag.keep, job: 'sleep 1003' })
  await job.next(Type.started)
  assert.deepEqual(await reset(init), { stdout: '', stderr: '', status: 0, error: undefined })
  assert.equal((await outcome(running)).status, 9)
  assert.equal((await outcome(job)).status, 9)
  const look = await init.run(
    `find ${places} -mindepth 1; find /dev/mqueue -mindepth 1; ipcs -a | grep -c user; ipcs | grep ^0x`,
  )
  assert.equal(look.stdout, '0\n')
  assert.equal((await init.run('ls -A /proc | grep -c "^[0-9]"')).stdout, before)
  const next = await outcome(init.exec({ flags: Flag.runtime | Flag.keep, job: 'echo again' }))
  assert.equal(next.stdout, 'again\n', 'the worker lives on')
})

test('a reset beats a fork bomb', options, async (t) => {
  const init = await stage(t)
  const bomb = init.exec({
    args: [
      'sh',
      '-c',
      'f() { f | f & }; for i in 1 2 3 4; do (while :; do sleep 100 & sleep 0.01; done) & done; wait',
    ],
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal((await reset(init)).status, 0)
  assert.equal((await outcome(bomb)).status, 9)
  assert.equal((await init.run('ps -A -o comm= | grep -c sleep')).stdout, '0\n')
})

test('a reset that cannot remove everything is an error', options, async (t) => {
  const init = await stage(t)
  await init.run('touch /tmp/theirs', { uid: 1001 })
  const end = await reset(init)
  assert.equal(end.status, undefined)
  assert.match(end.error?.text ?? '', /^wipe: E(PERM|ACCES): \/tmp: /)
})

test('during a reset nothing starts and no second reset begins', options, async (t) => {
  const init = await stage(t)
  await outcome(init.exec({ args: ['python3', '-c', deepTree(15_000)] }), 60_000)
  const first = init.connect()
  first.send(Type.reset)
  const second = init.connect()
  second.send(Type.reset)
  const program = init.exec({ args: ['true'] })
  assert.match((await outcome(second)).error?.text ?? '', /^EBUSY/)
  assert.match((await outcome(program)).error?.text ?? '', /^EBUSY/)
  assert.equal((await outcome(first)).status, 0)
  assert.equal((await init.run('echo on')).stdout, 'on\n')
})

test('a job that waits for the worker does not survive a reset', options, async (t) => {
  const init = await stage(t, { worker: true })
  const hung = init.exec({ flags: Flag.runtime, job: 'hang' })
  await hung.next(Type.started)
  const end = await reset(init)
  assert.equal(end.status, 0)
  assert.equal((await outcome(hung)).status, 9)
})

test('twenty resets leave init as small as one', options, async (t) => {
  const init = await stage(t, { worker: true })
  const round = async () => {
    await outcome(init.exec({ flags: Flag.runtime | Flag.keep, job: 'seq 1 100000; touch x' }))
    assert.equal((await reset(init)).status, 0)
  }
  for (let i = 0; i < 3; i++) await round()
  const before = await init.status('VmRSS')
  for (let i = 0; i < 20; i++) await round()
  assert.ok((await init.status('VmRSS')) - before < 64 || sanitized)
})
