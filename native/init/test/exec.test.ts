import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, stage } from './stage.ts'
import { Flag, Type, u32 } from './wire.ts'

const options = { skip: mayRun }

test(
  'a program runs as the user, with its arguments, environment and folder, and its streams apart',
  options,
  async (t) => {
    const init = await stage(t)
    const wire = init.exec({
      args: [
        'sh',
        '-c',
        'echo $(id -u):$(id -g):$(id -G); pwd; echo "$A $1"; echo wrong >&2; exit 3',
        'name',
        'ärg',
      ],
      env: { A: 'b=c' },
      cwd: '/tmp',
    })
    const end = await outcome(wire)
    assert.deepEqual(end.stdout.split('\n'), ['1000:1000:1000', '/tmp', 'b=c ärg', ''])
    assert.equal(end.stderr, 'wrong\n')
    assert.equal(end.status, 3 << 8)
    assert.equal(wire.frames[0]?.type, Type.started)
  },
)

test(
  'a program has no capability, no way to new ones, no open descriptor and plain signals',
  options,
  async (t) => {
    const init = await stage(t)
    const { stdout } = await init.run(
      'grep -E "^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Sig(Blk|Ign))" /proc/self/status; ulimit -c; ls /proc/self/fd; umask; cut -d" " -f5-6 /proc/$$/stat',
    )
    const lines = stdout.split('\n')
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'SigBlk', 'SigIgn']) {
      assert.ok(
        lines.some((line) => line === `${name}:\t0000000000000000`),
        `${name} in ${stdout}`,
      )
    }
    assert.ok(lines.includes('NoNewPrivs:\t1'))
    // ls itself holds the fourth one: the folder it lists.
    assert.deepEqual(lines.slice(7, 13), ['0', '0', '1', '2', '3', '0022'], stdout)
    const [group, session] = (lines[13] ?? '').split(' ')
    assert.equal(group, session)
  },
)

test('what is not given has defaults, what is given is kept', options, async (t) => {
  const init = await stage(t)
  const plain = await outcome(init.exec({ args: ['env'] }))
  assert.deepEqual(plain.stdout.trim().split('\n').sort(), [
    'HOME=/workspace',
    'LANG=C.UTF-8',
    'PATH=/usr/local/bin:/usr/bin:/bin',
    'USER=user',
  ])
  const given = await outcome(
    init.exec({ args: ['env'], env: { PATH: '/bin', HOME: '', LANG: 'C', USER: 'me', X: '' } }),
  )
  assert.deepEqual(given.stdout.trim().split('\n').sort(), ['HOME=', 'LANG=C', 'PATH=/bin', 'USER=me', 'X='])
})

test('standard input arrives whole and ends when the host says so', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['sha256sum'], flags: Flag.stdin })
  wire.send(Type.stdin, Buffer.from('hel'))
  wire.send(Type.stdin, Buffer.from('lo'))
  wire.send(Type.stdin)
  const end = await outcome(wire)
  assert.match(end.stdout, /^2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 /)
  const credits = wire.frames.filter((each) => each.type === Type.creditStdin)
  assert.equal(
    credits.reduce((sum, each) => sum + each.payload.readUInt32LE(0), 0),
    5,
  )
})

test('without a streamed input there is an empty one', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['cat'] })
  wire.send(Type.stdin)
  assert.equal((await outcome(wire)).status, 0)
})

test('the standard streams can be opened again by name', options, async (t) => {
  const init = await stage(t)
  const script = 'echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin'
  const wire = init.shell(script, { flags: Flag.stdin })
  wire.send(Type.stdin, Buffer.from('in'))
  wire.send(Type.stdin)
  const end = await outcome(wire)
  assert.deepEqual([end.stdout, end.stderr, end.status], ['out\nin', 'err\n', 0])
})

test('what cannot be started is told with its errno and its name', options, async (t) => {
  const init = await stage(t)
  const cases: [string, Parameters<typeof init.exec>[0], number, RegExp][] = [
    ['no such program', { args: ['python9'] }, 2, /^ENOENT: python9 not found$/],
    ['no such path', { args: ['/no/such'] }, 2, /^ENOENT: \/no\/such not found$/],
    ['an empty name', { args: [''] }, 2, /^ENOENT/],
    ['not executable', { args: ['/etc/passwd'] }, 13, /^EACCES: \/etc\/passwd: Permission denied$/],
    ['no such folder', { args: ['true'], cwd: '/none' }, 2, /^ENOENT: \/none not found$/],
    ['a closed folder', { args: ['true'], cwd: '/proc/1/cwd' }, 13, /^EACCES/],
    ['root', { args: ['true'], uid: 0 }, 1, /^EPERM/],
    ['nobody at all', { args: ['true'], uid: 0xffffffff }, 1, /^EPERM/],
    ['no arguments', {}, 22, /^EINVAL: no program/],
    ['an unknown flag', { args: ['true'], flags: 64 }, 22, /^EINVAL: unknown flags/],
    ['an unknown built-in', { args: ['format'], flags: Flag.builtin }, 22, /^EINVAL: no such built-in/],
    ['no worker', { flags: Flag.runtime, job: 'x' }, 3, /^ESRCH/],
    ['a limit above its maximum', { args: ['true'], limits: [[7, 9n, 2n]] }, 22, /^EINVAL: resource limit/],
  ]
  for (const [what, spec, errno, text] of cases) {
    const wire = init.exec(spec)
    const end = await outcome(wire)
    assert.equal(end.error?.errno, errno, `${what}: ${wire.describe()}`)
    assert.match(end.error?.text ?? '', text, what)
    assert.equal(wire.find(Type.started), undefined, what)
  }
})

test('another user id is taken over, and so are resource limits', options, async (t) => {
  const init = await stage(t)
  const end = await init.run('id -u; id -g; ulimit -n; ulimit -Hn', { uid: 1234, limits: [[7, 50n, 60n]] })
  assert.equal(end.stdout, '1234\n1234\n50\n60\n')
})

test('a signal reaches the whole group, and the status is as waitpid gives it', options, async (t) => {
  const init = await stage(t)
  const wire = init.shell('sleep 1000 & echo up; wait; sleep 1000')
  await wire.next(Type.stdout)
  wire.send(Type.signal, u32(15))
  assert.equal((await outcome(wire)).status, 15)
  assert.equal((await init.run('pgrep -x sleep | wc -l')).stdout, '0\n')
})

test('a signal sent before the program has started is not lost', options, async (t) => {
  const init = await stage(t)
  for (let i = 0; i < 20; i++) {
    const wire = init.exec({ args: ['sleep', '1000'] })
    wire.send(Type.signal, u32(9))
    assert.equal((await outcome(wire)).status, 9)
  }
})

test('a lost connection kills the program, its background jobs and its own groups', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({
    args: ['bash', '-mc', 'sleep 1001 & (sleep 1002 & sleep 1003) & echo up; wait'],
  })
  await wire.next(Type.stdout)
  const before = await init.run('pgrep -x sleep | wc -l')
  assert.equal(before.stdout, '3\n')
  wire.close()
  for (let left = '3'; left !== '0\n'; ) left = (await init.run('pgrep -x sleep | wc -l')).stdout
})

test('the end of the main program is the end, whatever a daemon still holds open', options, async (t) => {
  const init = await stage(t)
  const started = Date.now()
  const daemon = `setsid sh -c "trap '' PIPE; while :; do echo noise; sleep 0.01; done" &`
  const end = await init.run(`${daemon} sleep 0.1; echo done`)
  assert.ok(Date.now() - started < 5000)
  assert.equal(end.status, 0)
  assert.match(end.stdout, /done\n/)
  const alive = await init.run("pgrep -f 'echo nois[e]' | wc -l")
  assert.notEqual(alive.stdout, '0\n', 'the daemon lives on')
})

test('a daemon that floods its streams cannot delay the end', options, async (t) => {
  const init = await stage(t)
  for (let i = 0; i < 5; i++) {
    const wire = init.shell('setsid cat /dev/zero & sleep 0.05; exit 7')
    assert.equal((await outcome(wire)).status, 7 << 8)
  }
})

test('output written just before the end is all there', options, async (t) => {
  const init = await stage(t)
  const ends = await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      init.run(`head -c ${i * 2000} /dev/zero; head -c ${i * 1000} /dev/zero >&2`),
    ),
  )
  assert.deepEqual(
    ends.map((end) => [end.stdout.length, end.stderr.length]),
    ends.map((_, i) => [i * 2000, i * 1000]),
  )
})

test('five hundred programs one after another leave nothing behind in init', options, async (t) => {
  const init = await stage(t)
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 20) {
      await Promise.all(Array.from({ length: 20 }, () => init.run('echo hello')))
    }
  }
  await round(100)
  const before = await init.status('VmRSS')
  await round(500)
  const after = await init.status('VmRSS')
  t.diagnostic(`VmRSS ${before} KiB, then ${after} KiB`)
  assert.ok(after - before < 64 || process.env.INIT_UNDER_TEST === 'asan', `${before} to ${after} KiB`)
})
