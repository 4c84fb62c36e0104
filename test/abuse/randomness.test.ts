/** Clock and entropy reuse: two starts from one warm interpreter never share random state, ids or moments. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

async function draws(language: string, code: string, runs: number): Promise<string[][]> {
  const results = await Promise.all(Array.from({ length: runs }, () => admin.execute({ language, code })))
  return results.map((result) => {
    assert.equal(result.status, 'succeeded', result.stderr)
    return result.stdout.trim().split('\n')
  })
}

/** No value of any column may appear twice, in any run. */
function assertAllDistinct(rows: readonly string[][], columns: number): void {
  for (const row of rows) assert.equal(row.length, columns, row.join(' '))
  const all = rows.flat()
  const seen = new Map<string, number>()
  for (const value of all) seen.set(value, (seen.get(value) ?? 0) + 1)
  const repeated = [...seen].filter(([, count]) => count > 1)
  assert.deepEqual(repeated, [])
}

const python = `
import random, uuid, os, secrets, ssl, tempfile, hashlib, string
print(random.random()); print(random.getrandbits(64)); print(random.Random().random()); print(random.SystemRandom().random())
print(uuid.uuid4()); print(os.urandom(16).hex()); print(secrets.token_hex(16)); print(ssl.RAND_bytes(16).hex())
print(tempfile.mktemp()); print("".join(random.choices(string.ascii_letters, k=24))); print(uuid.uuid1())
print(next(tempfile._get_candidate_names()) + "-t")`

const javascript = `
import { randomBytes, randomUUID, randomInt, generateKeyPairSync, getRandomValues, webcrypto } from 'node:crypto';
console.log(Math.random()); console.log(randomUUID()); console.log(randomUUID()); console.log(crypto.randomUUID({ disableEntropyCache: true }));
console.log(randomBytes(16).toString('hex')); console.log(String(randomInt(2 ** 47))); console.log(Buffer.from(getRandomValues(new Uint8Array(16))).toString('hex'));
console.log(Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('base64'));
console.log(generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).toString('hex').slice(-32));
console.log(Math.random() + Math.random());`

test('forty forked Pythons share no random value of any kind', async () => {
  assertAllDistinct(await draws('python', python, 40), 12)
})

test('forty forked Nodes share no random value of any kind', async () => {
  assertAllDistinct(await draws('javascript', javascript, 40), 10)
})

test('starts are spread over forks, standbys and colds without repeating', async () => {
  const rows: string[][] = []
  for (let n = 0; n < 15; n++)
    rows.push(
      ...(await draws('python', 'import uuid, random\nprint(uuid.uuid4()); print(random.random())', 1)),
    )
  assertAllDistinct(rows, 2)
})

test('the shell’s and the kernel’s random sources differ as well', async () => {
  const rows = await draws(
    'bash',
    'echo $SRANDOM-$SRANDOM; cat /proc/sys/kernel/random/uuid; head -c 12 /dev/urandom | base64; mktemp -u',
    20,
  )
  assertAllDistinct(rows, 4)
})

test('stack and heap addresses of two starts of the shell are not the same', async () => {
  const rows = await draws(
    'bash',
    'python3 -c "print(hex(id(object())), open(\'/proc/self/maps\').readline().split()[0])"',
    8,
  )
  assert.ok(new Set(rows.flat()).size >= 6)
})

test('the clock is the machine’s, moves, and starts never see the moment of the warm interpreter’s birth', async () => {
  const before = Date.now()
  const results = [
    ...(await draws('python', 'import time\nprint(int(time.time() * 1000))', 3)),
    ...(await draws('javascript', 'console.log(Date.now())', 3)),
  ]
  const afterwards = Date.now()
  for (const [value = ''] of results) {
    assert.ok(
      Number(value) >= before - 5 && Number(value) <= afterwards + 5,
      `${value} is not between ${before} and ${afterwards}`,
    )
  }
  const node = await draws(
    'javascript',
    'console.log(Math.round(performance.now())); console.log(Math.abs(Date.now() - (performance.timeOrigin + performance.now())) < 50)',
    3,
  )
  for (const [sinceStart = ''] of node) assert.ok(Number(sinceStart) >= 0)
})

test('process ids and start times carry no information about other starts', async () => {
  const rows = await draws(
    'python',
    'import os\nprint(os.getpid(), os.getppid(), os.getsid(0) > 0, os.uname().nodename)',
    3,
  )
  for (const [row = ''] of rows) assert.match(row, /^\d{1,3} \d{1,2} True \S+$/)
})
