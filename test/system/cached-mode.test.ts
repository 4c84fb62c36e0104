/** `cached` reuses a warm sandbox of the same tenant and environment; nothing may leak from run to run. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { ExecutionResult, JsonObject } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { programFile } from '../support/programs.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

const cached = (request: object): Promise<ExecutionResult> => admin.execute({ mode: 'cached', ...request })

test('runs in cached mode become warm, for every language', async () => {
  for (const [language, code] of [
    ['python', 'print("warm")'],
    ['javascript', 'console.log("warm")'],
    ['typescript', 'const w: string = "warm"; console.log(w)'],
    ['bash', 'echo warm'],
  ]) {
    await cached({ language, code })
    const warm = await eventually(
      async () => {
        const again = await cached({ language, code })
        return again.startKind === 'warm' ? again : undefined
      },
      { withinMs: 3000, what: `a warm start of ${language}, once the first sandbox was reset` },
    )
    assert.deepEqual([warm.stdout, warm.mode], ['warm\n', 'cached'], language)
  }
})

test('changed code runs as changed, and equal code really runs again', async () => {
  const code = 'import time\nprint(time.time_ns())'
  const first = await cached({ language: 'python', code })
  const second = await cached({ language: 'python', code })
  assert.notEqual(first.stdout, second.stdout, 'cached mode is a warm sandbox, not a replay')
  assert.equal((await cached({ language: 'python', code: 'print("changed")' })).stdout, 'changed\n')
})

/** Runs `leave` and then `look` in the warm sandbox; the look must not see anything of it. */
async function leaveThenLook(leave: object, look: object): Promise<string> {
  const left = await cached(leave)
  assert.equal(left.status, 'succeeded', `${left.stdout}${left.stderr}`)
  const seen = await cached(look)
  return seen.stdout + seen.stderr
}

test('files do not leak, wherever the user may write, deep or hidden or read-only', async () => {
  const places = '/workspace /tmp /var/tmp /dev/shm'
  const leave = `for d in ${places}; do
    mkdir -p $d/deep/.hidden && echo leak > $d/deep/.hidden/f && echo leak > $d/.dot && ln -s /etc/passwd $d/link
    mkfifo $d/fifo; mkdir $d/locked && echo leak > $d/locked/f && chmod 0 $d/locked $d/deep; done
    head -c 100 /dev/zero > "/tmp/$(printf 'odd\\nname')"; true`
  const look = `for d in ${places}; do find $d -mindepth 1 2>&1; done; echo END`
  const seen = await leaveThenLook({ language: 'bash', code: leave }, { language: 'bash', code: look })
  assert.equal(seen, 'END\n')
})

test('files sent with one run are gone in the next', async () => {
  const seen = await leaveThenLook(
    { language: 'bash', code: 'ls', files: { 'sent/secret.txt': 'leak' } },
    { language: 'bash', code: 'ls -A; echo END' },
  )
  assert.equal(seen, 'END\n')
})

test('processes do not survive, whether detached, stopped, ignoring signals or in new sessions', async () => {
  const leave = `
(setsid sleep 300 > /dev/null 2>&1 &)
(trap '' TERM HUP INT; sleep 300 > /dev/null 2>&1 &)
(sleep 300 > /dev/null 2>&1 & kill -STOP $!)
python3 -c '
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(0); os.close(1); os.close(2)
        import time; time.sleep(300)
    os._exit(0)
' ; true`
  const look = `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; done | grep -c '[s]leep' ; echo END`
  const seen = await leaveThenLook({ language: 'bash', code: leave }, { language: 'bash', code: look })
  assert.equal(seen, '0\nEND\n')
})

test('environment, working directory, arguments and input are of one run only', async () => {
  await cached({
    language: 'python',
    code: 'import os, sys\nos.environ["LEAK"] = "1"\nos.chdir("/tmp")\nos.umask(0)\nsys.path.insert(0, "/tmp")\nsys.modules["leak"] = os',
    env: { SECRET_TOKEN: 'leak' },
    args: ['leak'],
    stdin: 'leak',
  })
  const seen = await cached({
    language: 'python',
    code: `
import os, sys
print(os.environ.get("LEAK"), os.environ.get("SECRET_TOKEN"), os.getcwd(), oct(os.umask(0o22)), sys.argv[1:], sys.stdin.read() == "", "leak" in sys.modules, "/tmp" in sys.path)`,
  })
  assert.equal(seen.stdout, 'None None /workspace 0o22 [] True False False\n', seen.stderr)
  await cached({
    language: 'javascript',
    code: 'globalThis.leak = 1; process.env.LEAK = "1"; process.chdir("/tmp"); Array.prototype.leak = 1',
  })
  const node = await cached({
    language: 'javascript',
    code: 'console.log(globalThis.leak, process.env.LEAK, process.cwd(), [].leak)',
  })
  assert.equal(node.stdout, 'undefined undefined /workspace undefined\n', node.stderr)
})

test('System V IPC, POSIX queues, abstract sockets and shared memory are removed', async () => {
  const files = programFile('ipc')
  const seen = await leaveThenLook(
    { command: ['./ipc', 'leave'], files },
    { command: ['./ipc', 'look'], files },
  )
  assert.equal(seen, 'shm 0 sem 0 msg 0 mq 0 abstract 0\n')
})

test('limits a run has set on itself are not those of the next', async () => {
  const report = `
import resource, os
print([resource.getrlimit(r) for r in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_AS)], os.nice(0), sorted(os.sched_getaffinity(0)))`
  const before = await cached({ language: 'python', code: report })
  await cached({
    language: 'python',
    code: 'import resource, os\nresource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\nresource.setrlimit(resource.RLIMIT_CPU, (30, 30))\nos.nice(10)\nos.sched_setaffinity(0, {0})',
  })
  const afterwards = await cached({ language: 'python', code: report })
  assert.equal(afterwards.stdout, before.stdout)
})

test('extended attributes on what the user can reach and kernel keyrings carry nothing over', async () => {
  const seen = await leaveThenLook(
    {
      language: 'python',
      code: 'import os\nfor p in ("/workspace", "/tmp", "/dev/shm"):\n  try: os.setxattr(p, "user.leak", b"1")\n  except OSError: pass',
    },
    {
      language: 'python',
      code: `
import os, ctypes
for p in ("/workspace", "/tmp", "/dev/shm", "/var/tmp"):
    try: print(p, [a for a in os.listxattr(p) if "leak" in a])
    except OSError as e: print(p, [])
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(250, 0, -3, 0), ctypes.get_errno() in (1, 38))`,
    },
  )
  assert.equal(seen, '/workspace []\n/tmp []\n/dev/shm []\n/var/tmp []\n-1 True\n')
})

test('random numbers and temporary names do not repeat between runs', async () => {
  const python =
    'import random, uuid, os, tempfile\nprint(random.random(), uuid.uuid4(), os.urandom(8).hex(), tempfile.mktemp())'
  const node =
    'console.log(Math.random(), crypto.randomUUID(), (await import("node:crypto")).randomBytes(8).toString("hex"))'
  for (const [language, code] of [
    ['python', python],
    ['javascript', node],
  ]) {
    const words = new Set<string>()
    const runs = 6
    let perRun = 0
    for (let run = 0; run < runs; run++) {
      const parts = (await cached({ language, code })).stdout.trim().split(' ')
      perRun = parts.length
      for (const part of parts) words.add(part)
    }
    assert.equal(words.size, runs * perRun, language)
  }
})

test('two tenants never share a warm sandbox', async () => {
  const made: JsonObject[] = []
  for (const name of ['left', 'right']) {
    const tenant = await admin.call('POST', '/api/v1/tenants', { body: { name } })
    assert.equal(tenant.status, 201, tenant.text)
    made.push(tenant.json())
  }
  const keys: string[] = []
  for (const tenant of made) {
    const body = { name: 'k', tenantId: tenant['tenantId'], scopes: ['execute'] }
    const key = await admin.call('POST', '/api/v1/keys', { body })
    assert.equal(key.status, 201, key.text)
    keys.push(String(key.json()['key']))
  }
  const [left = '', right = ''] = keys
  const identity = { mode: 'cached', language: 'bash', code: 'readlink /proc/self/ns/pid /proc/self/ns/user' }
  await admin.withKey(left).execute(identity)
  await eventually(async () => (await admin.withKey(left).execute(identity)).startKind === 'warm', {
    withinMs: 3000,
    what: 'a warm sandbox of the one tenant',
  })
  const other = await admin.withKey(right).execute(identity)
  assert.notEqual(other.startKind, 'warm', 'the other tenant starts its own')
})

test('a run that was killed leaves the next one a sound sandbox', async () => {
  for (let round = 0; round < 3; round++) {
    const stuck = await cached({
      language: 'python',
      code: 'open("/tmp/leak", "w")\nwhile True: pass',
      timeoutMs: 300,
    })
    assert.equal(stuck.status, 'timeout')
    const hog = await cached({
      language: 'python',
      code: 'x = []\nwhile True: x.append(b"a" * (8 << 20))',
      resources: { memoryMb: 64 },
    })
    assert.equal(hog.status, 'oom')
    const next = await cached({
      language: 'python',
      code: 'import os\nprint(os.listdir("/tmp"), [f for f in os.listdir(".") if f != "main.py"])',
    })
    assert.deepEqual([next.status, next.stdout], ['succeeded', '[] []\n'], next.stderr)
  }
})
