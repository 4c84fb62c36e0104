import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LauncherPeer, root } from './launcher-peer.ts'

const groupRoots = [
  '/sys/fs/cgroup',
  ...['memory', 'cpu', 'cpuacct', 'pids', 'unified'].map((name) => `/sys/fs/cgroup/${name}`),
]

function groups(name: string): string[] {
  return groupRoots
    .map((folder) => join(folder, name))
    .filter(existsSync)
    .flatMap((parent) =>
      readdirSync(parent, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(parent, entry.name)),
    )
}

function parents(name: string): string[] {
  return groupRoots.map((folder) => join(folder, name)).filter(existsSync)
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (holds()) return
    await sleep(10)
  }
  assert.fail(`never came true: ${what}`)
}

for (const build of ['build/launcher', 'build/asan/launcher']) {
  test(`${build}: a sandbox is made, counted, limited, frozen and ended without a trace`, async () => {
    const peer = new LauncherPeer(join(root, build))
    const hello = await peer.ask('hello')
    assert.equal(hello.fields.get('version'), '1')
    assert.equal((await peer.ask('zygote', { name: 'bare' })).verb, 'ok')
    const id = 'sandbox0001'
    const made = await peer.ask('create', { id, zygote: 'bare', mem: 64 << 20, pids: 16, net: 'none' })
    assert.equal(made.verb, 'ok', made.fields.get('what'))
    assert.ok(existsSync(made.fields.get('socket') ?? ''))
    assert.ok(Number(made.fields.get('ready_us')) > 0)
    const counters = await peer.ask('stat', { id })
    assert.equal(counters.fields.get('pids'), '1')
    assert.ok(Number(counters.fields.get('peak')) > 0)
    const limited = await peer.ask('limit', { id, mem: 128 << 20, cpu: 500, pids: 32 })
    assert.equal(limited.verb, 'ok', limited.fields.get('what'))
    assert.equal((await peer.ask('freeze', { id })).verb, 'ok')
    assert.equal((await peer.ask('thaw', { id })).verb, 'ok')
    assert.equal((await peer.ask('kill', { id })).verb, 'ok')
    assert.equal((await peer.ask('list')).fields.get('count'), '0')
    assert.deepEqual(groups(peer.cgroup), [])
    assert.ok(!existsSync(made.fields.get('socket') ?? ''))
    await peer.close()
    assert.doesNotMatch(peer.stderr, /Sanitizer|runtime error/)
    assert.deepEqual(parents(peer.cgroup), [])
  })

  test(`${build}: what is not a well-formed request of known words is refused, each with its reason`, async () => {
    const peer = new LauncherPeer(join(root, build))
    await peer.ask('zygote', { name: 'bare' })
    const refused = async (code: string, fields: Record<string, string | number>): Promise<void> => {
      const answer = await peer.ask('create', { id: 'sandbox0002', zygote: 'bare', ...fields })
      assert.equal(answer.verb, 'err', JSON.stringify(fields))
      assert.equal(answer.fields.get('code'), code)
      assert.ok(answer.fields.get('what') && answer.fields.get('hint'))
    }
    await refused('request_invalid', { id: '../../etc' })
    await refused('request_invalid', { id: 'UPPERCASE1' })
    await refused('request_invalid', { id: 'x'.repeat(33) })
    await refused('request_invalid', { zygote: '/bin/sh' })
    await refused('request_invalid', { layers: '../base' })
    await refused('request_invalid', { net: 'host' })
    await refused('request_invalid', { mem: 'plenty' })
    await refused('request_invalid', { mem: '-1' })
    await refused('request_invalid', { pids: 99999999999 })
    await refused('zygote_not_running', { zygote: 'python' })
    await refused('mount_failed', { layers: 'a'.repeat(64) })
    await until('the failed one is gone', () => groups(peer.cgroup).length === 0)
    assert.equal((await peer.ask('kill', { id: 'sandbox0002' })).fields.get('code'), 'sandbox_unknown')
    await peer.close()
    assert.doesNotMatch(peer.stderr, /Sanitizer|runtime error/)
    assert.deepEqual(parents(peer.cgroup), [])
  })

  test(`${build}: a broken frame ends the launcher and every sandbox with it`, async () => {
    for (const garbage of [
      Buffer.alloc(64, 0xff),
      Buffer.alloc(8),
      Buffer.from('\x05\0\0\0hello', 'latin1'),
    ]) {
      const peer = new LauncherPeer(join(root, build))
      await peer.ask('zygote', { name: 'bare' })
      assert.equal((await peer.ask('create', { id: 'sandbox0003', zygote: 'bare' })).verb, 'ok')
      peer.socket.write(garbage)
      assert.equal(await peer.ended, 1)
      await until('no group is left', () => groups(peer.cgroup).length === 0)
      await peer.close()
      assert.deepEqual(parents(peer.cgroup), [])
    }
  })
}

test('a launcher killed outright leaves no process, and the next one of that name cleans its groups', async () => {
  const peer = new LauncherPeer(join(root, 'build/launcher'))
  await peer.ask('zygote', { name: 'bare' })
  for (let i = 0; i < 5; i++) await peer.ask('create', { id: `sandbox000${i}`, zygote: 'bare' })
  const members = (): string[] =>
    groups(peer.cgroup).flatMap((group) =>
      readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean),
    )
  assert.ok(members().length >= 5)
  peer.process.kill('SIGKILL')
  await peer.ended
  await until('every process is gone', () => members().length === 0)
  await peer.close()
  const next = new LauncherPeer(join(root, 'build/launcher'), peer.cgroup)
  await next.ask('hello')
  assert.deepEqual(groups(peer.cgroup), [])
  await next.close()
  assert.deepEqual(parents(peer.cgroup), [])
})

test('many creates at once all come up and all go', async () => {
  const peer = new LauncherPeer(join(root, 'build/launcher'))
  await peer.ask('zygote', { name: 'bare' })
  const ids = Array.from({ length: 40 }, (_, i) => `sandbox1${String(i).padStart(3, '0')}`)
  const made = await Promise.all(ids.map((id) => peer.ask('create', { id, zygote: 'bare' })))
  assert.deepEqual(
    made.filter((answer) => answer.verb !== 'ok'),
    [],
  )
  await Promise.all(ids.map((id) => peer.ask('kill', { id })))
  assert.deepEqual(groups(peer.cgroup), [])
  await peer.close()
  assert.deepEqual(parents(peer.cgroup), [])
})

test('the v2 writer sets every limit and reads every counter, held against a recorded tree', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-v2-'))
  const tree = join(folder, 'unified')
  const file = (path: string, text = ''): void => writeFileSync(join(tree, path), text)
  mkdirSync(join(tree, 'cloche'), { recursive: true })
  file('cgroup.controllers', 'cpuset cpu io memory pids\n')
  for (const name of [
    'cgroup.subtree_control',
    'cloche/cgroup.subtree_control',
    'cloche/memory.max',
    'cloche/pids.max',
  ])
    file(name)
  writeFileSync(
    join(folder, 'mountinfo'),
    `35 25 0:30 / ${tree} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n`,
  )
  const writer = spawn(join(root, 'build/asan/cgroup-writer'), [join(folder, 'mountinfo')])
  let output = ''
  writer.stdout.on('data', (chunk) => {
    output += chunk
  })
  await until('the tree is found', () => output === 'v2\n')
  mkdirSync(join(tree, 'cloche/sandbox1'))
  const written = [
    'memory.max',
    'memory.swap.max',
    'pids.max',
    'cpu.max',
    'io.max',
    'cgroup.procs',
    'cgroup.freeze',
  ]
  for (const name of written) file(`cloche/sandbox1/${name}`)
  file('cloche/sandbox1/cpu.stat', 'usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n')
  file('cloche/sandbox1/memory.current', '4096\n')
  file('cloche/sandbox1/memory.peak', '8192\n')
  file('cloche/sandbox1/memory.events', 'low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n')
  file('cloche/sandbox1/pids.current', '5\n')
  writer.stdin.end('\n')
  const code = await new Promise((done) => writer.on('exit', done))
  assert.equal(code, 0)
  assert.equal(output, 'v2\n1234 4096 8192 1 5\n')
  const content = (name: string): string => readFileSync(join(tree, 'cloche/sandbox1', name), 'utf8')
  assert.equal(content('memory.max'), '268435456')
  assert.equal(content('memory.swap.max'), '0')
  assert.equal(content('pids.max'), '64')
  assert.equal(content('cpu.max'), '150000 100000')
  assert.match(content('io.max'), /^\d+:0 rbps=1000000$/)
  assert.equal(content('cgroup.procs'), '4242')
  assert.equal(content('cgroup.freeze'), '1')
  rmSync(folder, { recursive: true })
})

test('freeze and kill work on the real v2 tree', async (t) => {
  const mount = execFileSync('findmnt', ['-n', '-t', 'cgroup2', '-o', 'TARGET'], { encoding: 'utf8' }).split(
    '\n',
  )[0]
  if (!mount) return t.skip('this machine mounts no cgroup2')
  const peer = new LauncherPeer(join(root, 'build/launcher'))
  await peer.ask('zygote', { name: 'bare' })
  const id = 'sandbox0009'
  await peer.ask('create', { id, zygote: 'bare' })
  const events = (): string => readFileSync(join(mount, peer.cgroup, id, 'cgroup.events'), 'utf8')
  await peer.ask('freeze', { id })
  await until('it is frozen', () => /frozen 1/.test(events()))
  await peer.ask('thaw', { id })
  await until('it runs again', () => /frozen 0/.test(events()))
  writeFileSync(join(mount, peer.cgroup, id, 'cgroup.kill'), '1')
  await until('the end is reported', () => peer.events.some((event) => event.verb === 'exit'))
  assert.equal(peer.events.at(-1)?.fields.get('status'), '9')
  await peer.close()
  assert.deepEqual(parents(peer.cgroup), [])
})
