import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { mayRun, type Outcome, outcome, type Stage, stage } from './stage.ts'
import { Flag, record, Type, type Wire } from './wire.ts'

const options = { skip: mayRun }
const directory = 0o040000
const link = 0o120000
const missing = 0xffffffff

function send(wire: Wire, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += 50_000) wire.send(Type.stdin, bytes.subarray(at, at + 50_000))
  wire.send(Type.stdin)
}

async function filesIn(init: Stage, ...records: Buffer[]): Promise<Outcome> {
  const wire = init.exec({ args: ['files-in'], flags: Flag.builtin | Flag.stdin })
  send(wire, Buffer.concat(records))
  return await outcome(wire)
}

async function rawFilesOut(init: Stage, ...args: string[]): Promise<{ wire: Wire; end: Outcome }> {
  const wire = init.exec({ args: ['files-out', ...args], flags: Flag.builtin })
  return { wire, end: await outcome(wire) }
}

interface Found {
  readonly path: string
  readonly mode: number
  readonly content: Buffer
}

async function filesOut(init: Stage, ...args: string[]): Promise<Found[]> {
  const { wire, end } = await rawFilesOut(init, ...args)
  assert.equal(end.status, 0, end.stderr)
  const bytes = wire.bytesOf(Type.stdout)
  const found: Found[] = []
  for (let at = 0; at < bytes.length; ) {
    const path = 4 + bytes.readUInt32LE(at)
    const size = Number(bytes.readBigUInt64LE(at + path + 4))
    found.push({
      path: bytes.toString('utf8', at + 4, at + path),
      mode: bytes.readUInt32LE(at + path),
      content: bytes.subarray(at + path + 12, at + path + 12 + size),
    })
    at += path + 12 + size
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

test('files go in and come out the same, with modes, folders and links', options, async (t) => {
  const init = await stage(t)
  const big = randomBytes(200_000)
  const records = [
    record('a.txt', 0o644, 'hello'),
    record('deep/er/ü/b', 0o755, big),
    record('empty', 0o600),
    record('closed', directory | 0o555),
    record('closed/inside', 0o444, 'x'),
    record('points', link | 0o777, 'deep/er'),
    record('/tmp/else/where', 0o640, 'y'),
  ]
  const end = await filesIn(init, ...records)
  assert.deepEqual([end.status, end.stderr], [0, ''])
  const out = await filesOut(init, '--tree', '.', '/tmp/else')
  assert.deepEqual(
    out.map((each) => [each.path, each.mode.toString(8), each.content.length]),
    [
      ['.', '41777', 0],
      ['./a.txt', '644', 5],
      ['./closed', '40555', 0],
      ['./closed/inside', '444', 1],
      ['./deep', '40755', 0],
      ['./deep/er', '40755', 0],
      ['./deep/er/ü', '40755', 0],
      ['./deep/er/ü/b', '755', 200_000],
      ['./empty', '600', 0],
      ['./points', '120777', 7],
      ['/tmp/else', '40755', 0],
      ['/tmp/else/where', '640', 1],
    ],
  )
  assert.ok(out.find((each) => each.path.endsWith('b'))?.content.equals(big))
  assert.equal((await init.run('stat -c %u:%g a.txt deep closed/inside | sort -u')).stdout, '1000:1000\n')
})

test('without --tree only files come out, links as what they lead to', options, async (t) => {
  const init = await stage(t)
  await init.run(
    'mkdir -p d/e; echo 1 > d/e/f; ln -s e/f d/g; ln -s e d/loop; ln -s /nowhere d/h; mkfifo d/p; echo 2 > "-x"',
  )
  const out = await filesOut(init, 'd', 'd/g', 'none', '-x')
  assert.deepEqual(
    out.map((each) => [each.path, each.mode, each.content.toString()]),
    [
      ['-x', 0o644, '2\n'],
      ['d/e/f', 0o644, '1\n'],
      ['d/g', 0o644, '1\n'],
      ['d/g', 0o644, '1\n'],
      ['none', missing, ''],
    ],
  )
})

test(
  'what the user may not read, and what is no file, counts as missing and says why',
  options,
  async (t) => {
    const init = await stage(t)
    await init.run('echo secret > locked; chmod 000 locked; mkfifo fifo; ln -s /etc/shadow stolen')
    const { wire, end } = await rawFilesOut(init, 'locked', 'fifo', 'stolen', '/proc/1/mem', '/dev/zero')
    assert.equal(end.status, 0)
    assert.ok(!wire.text().includes('root:'))
    assert.equal(end.stderr.match(/^files-out: /gm)?.length, 5)
    assert.match(end.stderr, /EACCES: locked: Permission denied/)
  },
)

test('paths cannot climb, and links are replaced rather than written through', options, async (t) => {
  const init = await stage(t)
  for (const path of ['../x', 'a/../../x', '/tmp/../etc/x', '..', 'a/..']) {
    const end = await filesIn(init, record(path, 0o644, 'x'))
    assert.equal(end.status, 22 << 8, path)
  }
  await init.run('echo old > victim; ln -s victim trap; ln -s /etc out; mkdir -p real; ln -s real alias')
  const end = await filesIn(init, record('trap', 0o644, 'new'), record('alias/through', 0o644, 'ok'))
  assert.equal(end.status, 0)
  assert.equal(
    (await init.run('cat victim trap real/through; [ -L trap ] || echo plain')).stdout,
    'old\nnewokplain\n',
  )
  for (const path of ['out/cloche', '/etc/passwd', '/proc/sys/kernel/hostname', '/opt/cloche/init']) {
    const refused = await filesIn(init, record(path, 0o644, 'x'))
    assert.notEqual(refused.status, 0, path)
    assert.match(refused.stderr, /^files-in: E(ACCES|EXIST|PERM|BUSY)/, path)
  }
})

test('an existing file is replaced, a folder in the way is an error', options, async (t) => {
  const init = await stage(t)
  await init.run('echo long content > f; chmod 400 f; mkdir -p d/sub')
  assert.equal((await filesIn(init, record('f', 0o644, 'short'), record('d', directory | 0o700))).status, 0)
  assert.equal((await init.run('cat f; stat -c %a d')).stdout, 'short700\n')
  assert.equal((await filesIn(init, record('d', 0o644, 'x'))).status, 21 << 8)
})

test('broken records are refused by the helper alone', options, async (t) => {
  const init = await stage(t)
  const whole = record('name', 0o644, 'content')
  const cases: [string, Buffer, number][] = [
    ['cut in the head', whole.subarray(0, 10), 32],
    ['cut in the length', whole.subarray(0, 2), 32],
    ['cut in the content', whole.subarray(0, whole.length - 1), 32],
    ['an empty path', record('', 0o644), 22],
    ['a path with NUL', record('a\0b', 0o644), 22],
    ['a path too long', record('x'.repeat(4096), 0o644), 22],
    ['a device', record('dev', 0o020644), 22],
    ['a folder with bytes', record('dir', directory | 0o755, 'x'), 22],
    ['a link to nothing', record('l', link | 0o777), 22],
    ['more than there can be', Buffer.concat([whole.subarray(0, 12), Buffer.alloc(8, 0xff)]), 22],
  ]
  for (const [what, bytes, errno] of cases) {
    assert.equal((await filesIn(init, bytes)).status, errno << 8, what)
  }
  assert.equal((await filesIn(init, whole)).status, 0)
})

test('a full disk is told as such', options, async (t) => {
  const init = await stage(t)
  await init.run('head -c 2G /dev/zero > fill')
  const wire = init.exec({ args: ['files-in'], flags: Flag.builtin | Flag.stdin })
  send(wire, record('more', 0o644, Buffer.alloc(100_000)))
  const end = await outcome(wire)
  assert.equal(end.status, 28 << 8)
  assert.match(end.stderr, /^files-in: ENOSPC: more: No space left on device\n$/)
})

test('a file that shrinks or grows while it is read keeps the size that was told', options, async (t) => {
  const init = await stage(t)
  await init.run('head -c 3M /dev/zero | tr "\\0" x > f')
  const wire = init.connect()
  wire.crediting = false
  const { execFields } = await import('./wire.ts')
  wire.send(Type.exec, execFields({ args: ['files-out', 'f', 'f'], flags: Flag.builtin }))
  await wire.until((each) => each.bytesOf(Type.stdout).length === 262_144)
  await init.run('truncate -s 1M f')
  wire.crediting = true
  wire.credit(262_144)
  await outcome(wire)
  const heads = 2 * (4 + 1 + 12)
  assert.equal(wire.bytesOf(Type.stdout).length, heads + 3 * 1_048_576 + 1_048_576)
})

test('the helpers run as the user and end with their connection', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['files-in'], flags: Flag.builtin | Flag.stdin })
  const pid = (await wire.next(Type.started)).payload.readUInt32LE(0)
  assert.match(
    (await init.run(`grep -E "^(Uid|CapEff|NoNewPrivs)" /proc/${pid}/status`)).stdout,
    /Uid:\t1000\t1000\t1000\t1000\n(.*\n)*CapEff:\t0+\nNoNewPrivs:\t1/,
  )
  assert.equal((await init.run(`cat /proc/${pid}/maps 2>&1 | grep -c denied`)).stdout, '1\n')
  wire.close()
  for (let gone = ''; gone !== 'gone\n'; ) gone = (await init.run(`[ -d /proc/${pid} ] || echo gone`)).stdout
})
