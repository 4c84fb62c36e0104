/**
 * What a forked Node could get wrong, because a fork has one thread where Node expects several: garbage collection, timers,
 * the thread pool, sockets, child processes, workers, compiled code. Each program runs in many forks, one after the other
 * and beside each other; one that hangs fails its test.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Runtimes } from '../../test/runtime.ts'

const FORKS = 20
const AT_ONCE = 4

const runtimes = await Runtimes.open()
after(() => runtimes.close())

const PROGRAMS: Readonly<Record<string, string>> = {
  'three million objects survive and their garbage goes': `
    let keep = []
    for (let n = 0; n < 3_000_000; n++) { const o = { n, text: 'object ' + (n % 100), link: keep[n % 1000] && { n } }; keep[n % 100_000] = o }
    if (keep.length !== 100_000 || keep[5].n % 100_000 !== 5) throw new Error('lost')
    keep = null
    const registry = new FinalizationRegistry(() => {}); for (let n = 0; n < 1000; n++) registry.register({}, n)
    const weak = new WeakRef({}); const buffers = []
    for (let n = 0; n < 200; n++) { buffers.push(Buffer.alloc(1 << 20, n)); if (buffers.length > 20) buffers.shift() }
    console.log('ok')`,
  'hot functions are compiled, and compiled again when their types change': `
    function sum(values) { let s = 0; for (const v of values) s += v.a ?? v.b.length; return s }
    let total = 0
    for (let round = 0; round < 400; round++) total += sum(Array.from({ length: 500 }, (_, n) => round > 200 && n % 2 ? { b: 'x'.repeat(n % 5) } : { a: n }))
    class A { m(x) { return x * 2 } } class B extends A { m(x) { return super.m(x) + 1 } }
    for (let n = 0; n < 2_000_000; n++) total += (n % 3 ? new A() : new B()).m(n) % 7
    eval('for (let n = 0; n < 100000; n++) total += n'); new Function('return 1')()
    console.log(/^(a+)+$/.test('a'.repeat(25)), total > 0 ? 'ok' : 'bad')`,
  'timers of every kind fire, in order': `
    const { setTimeout: sleep, setInterval: every } = require('node:timers/promises')
    const seen = []
    setTimeout(() => seen.push('t5'), 5); setTimeout(() => seen.push('t1'), 1); setImmediate(() => seen.push('i')); process.nextTick(() => seen.push('n'))
    queueMicrotask(() => seen.push('m'));
    (async () => { let n = 0; for await (const _ of every(2)) if (++n === 5) break; await sleep(20)
      const a = new AbortController(); setTimeout(() => a.abort(), 5)
      await sleep(10_000, null, { signal: a.signal }).catch((e) => seen.push(e.code))
      console.log(seen[0], seen[1], seen.length, seen.at(-1), 'ok') })()`,
  'the thread pool derives keys, hashes, compresses and reads files': `
    const { promisify } = require('node:util'), crypto = require('node:crypto'), zlib = require('node:zlib'), fs = require('node:fs/promises')
    ;(async () => {
      const all = await Promise.all([
        ...Array.from({ length: 8 }, (_, n) => promisify(crypto.pbkdf2)('p' + n, 's', 2000, 32, 'sha256')),
        ...Array.from({ length: 4 }, (_, n) => promisify(crypto.scrypt)('p' + n, 's', 32, { N: 1024 })),
        promisify(crypto.generateKeyPair)('ec', { namedCurve: 'P-256' }), promisify(crypto.randomBytes)(1 << 16), crypto.subtle.digest('SHA-256', Buffer.from('x')),
      ])
      const data = Buffer.alloc(1 << 20, 'compress me ')
      for (const [c, d] of [['gzip', 'gunzip'], ['deflate', 'inflate'], ['brotliCompress', 'brotliDecompress'], ['zstdCompress', 'zstdDecompress']])
        if (!(await promisify(zlib[d])(await promisify(zlib[c])(data))).equals(data)) throw new Error(c)
      await Promise.all(Array.from({ length: 50 }, async (_, n) => { await fs.writeFile('f' + n, 'text ' + n); await fs.appendFile('f' + n, '!') }))
      const texts = await Promise.all(Array.from({ length: 50 }, (_, n) => fs.readFile('f' + n, 'utf8')))
      await fs.mkdir('d/e', { recursive: true }); await fs.rm('d', { recursive: true }); for await (const _ of fs.glob('f*')) ;
      console.log(all.length, texts[49], 'ok') })()`,
  'names are looked up': `
    const dns = require('node:dns')
    ;(async () => {
      const found = await Promise.all(['localhost', 'sandbox', '127.0.0.1'].map((name) => dns.promises.lookup(name)))
      const missing = await dns.promises.lookup('no.such.name.invalid').catch((e) => e.code)
      const resolver = new dns.promises.Resolver({ timeout: 50, tries: 1 }); const none = await resolver.resolve4('example.invalid').catch((e) => e.code)
      console.log(found.map((f) => f.address).join(), typeof missing, typeof none, 'ok') })()`,
  'servers and clients talk over HTTP, TLS sessions, sockets and WebSocket frames': `
    const http = require('node:http'), net = require('node:net'), { once } = require('node:events')
    ;(async () => {
      const server = http.createServer((q, r) => { let n = 0; q.on('data', (d) => { n += d.length }).on('end', () => r.end(q.url + ' ' + n)) }).listen(0, '127.0.0.1')
      await once(server, 'listening'); const url = 'http://127.0.0.1:' + server.address().port
      const bodies = await Promise.all(Array.from({ length: 50 }, async (_, n) => (await fetch(url + '/' + n, { method: 'POST', body: 'x'.repeat(n * 1000) })).text()))
      const agent = new http.Agent({ keepAlive: true }); for (let n = 0; n < 10; n++) await new Promise((done) => http.get(url, { agent }, (r) => r.resume().on('end', done)))
      agent.destroy(); server.close(); server.closeAllConnections()
      const unix = net.createServer((c) => c.pipe(c)).listen('/tmp/s'); await once(unix, 'listening')
      const c = net.connect('/tmp/s'); c.write('echo'); const [echo] = await once(c, 'data'); c.destroy(); unix.close()
      const udp = require('node:dgram').createSocket('udp4'); udp.bind(0, '127.0.0.1'); await once(udp, 'listening'); udp.send('u', udp.address().port, '127.0.0.1'); await once(udp, 'message'); udp.close()
      console.log(bodies[49], String(echo), 'ok') })()`,
  'child processes are spawned, executed and forked': `
    const { spawn, exec, execFileSync, fork, spawnSync } = require('node:child_process'), { once } = require('node:events'), { promisify } = require('node:util')
    if (process.argv[2] === 'child') { process.on('message', (m) => { process.send(m + 1); process.disconnect() }); return }
    ;(async () => {
      const shells = await Promise.all(Array.from({ length: 5 }, (_, n) => promisify(exec)('echo ' + n)))
      const cat = spawn('cat'); cat.stdin.end('piped'); const closed = once(cat, 'close'); const [text] = await once(cat.stdout, 'data'); await closed
      const child = fork(__filename, ['child']); const ended = once(child, 'exit'); child.send(41); const [answer] = await once(child, 'message'); const [code] = await ended
      const missing = spawn('/no/such'); const [error] = await once(missing, 'error')
      const sleeper = spawn('sleep', ['60']); sleeper.kill(); const [, signal] = await once(sleeper, 'exit')
      console.log(shells.map((s) => s.stdout.trim()).join(''), String(text), answer, code, error.code, signal, execFileSync('node', ['-p', '6*7']).toString().trim(), spawnSync('false').status, 'ok') })()`,
  'workers run, share memory, message and end': `
    const { Worker, isMainThread, parentPort, workerData, MessageChannel } = require('node:worker_threads'), { once } = require('node:events')
    if (!isMainThread) {
      const cells = new Int32Array(workerData.shared); for (let n = 0; n < 1000; n++) Atomics.add(cells, 0, 1)
      let o = []; for (let n = 0; n < 200000; n++) o[n % 100] = { n }
      parentPort.once('message', (m) => { parentPort.postMessage(m * 2); })
    } else (async () => {
      const shared = new SharedArrayBuffer(8)
      const answers = await Promise.all(Array.from({ length: 3 }, async (_, n) => {
        const worker = new Worker(__filename, { workerData: { shared } }); const ended = once(worker, 'exit'); worker.postMessage(n); const [m] = await once(worker, 'message'); const [code] = await ended; return m + code }))
      const stuck = new Worker('for (;;) ;', { eval: true }); await once(stuck, 'online'); await stuck.terminate()
      const failing = new Worker('throw new Error("in worker")', { eval: true }); const [error] = await once(failing, 'error')
      console.log(answers.join(), new Int32Array(shared)[0], error.message, 'ok')
    })()`,
  'WebAssembly is compiled, run and grown': `
    const bytes = Buffer.from('0061736d0100000001070160027f7f017f030201000503010001070b02036164640000016d0200' + '0a09010700200020016a0b', 'hex')
    ;(async () => {
      const { instance } = await WebAssembly.instantiate(bytes); let sum = 0
      for (let n = 0; n < 3_000_000; n++) sum = instance.exports.add(sum, 1)
      instance.exports.m.grow(10); new Uint8Array(instance.exports.m.buffer)[600_000] = 1
      const again = await Promise.all(Array.from({ length: 10 }, () => WebAssembly.compile(bytes)))
      console.log(sum, again.length, new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.add(1, 2), 'ok') })()`,
  'streams, compression and files work through one another': `
    const { pipeline } = require('node:stream/promises'), { Readable, Transform } = require('node:stream'), fs = require('node:fs'), zlib = require('node:zlib'), crypto = require('node:crypto')
    ;(async () => {
      async function* parts() { for (let n = 0; n < 200; n++) yield Buffer.alloc(20_000, n) }
      await pipeline(Readable.from(parts()), zlib.createGzip({ level: 1 }), fs.createWriteStream('a.gz'))
      const hash = crypto.createHash('sha256'); await pipeline(fs.createReadStream('a.gz'), zlib.createGunzip(), hash)
      const watcher = fs.watch('/workspace'); setTimeout(() => fs.writeFileSync('w', ''), 10); await new Promise((d) => watcher.once('change', d)); watcher.close()
      const { text } = require('node:stream/consumers'); const body = await text(new Blob(['blob ']).stream().pipeThrough(new TextDecoderStream()))
      console.log(hash.digest('hex').slice(0, 8), body + 'ok') })()`,
  'SQLite, contexts, structured clones and diagnostics work': `
    const { DatabaseSync } = require('node:sqlite'), vm = require('node:vm'), v8 = require('node:v8'), { AsyncLocalStorage } = require('node:async_hooks')
    const db = new DatabaseSync('x.db'); db.exec('create table t(a)'); for (let n = 0; n < 100; n++) db.prepare('insert into t values (?)').run(n)
    const context = vm.createContext({ x: 1 }); vm.runInContext('x = [..."abc"].map((c) => c + x).join("")', context)
    const heap = v8.getHeapStatistics(); const copy = structuredClone({ m: new Map([[1, new Date(0)]]) })
    const als = new AsyncLocalStorage(); als.run('store', () => setTimeout(() => console.log(db.prepare('select sum(a) s from t').get().s, context.x, heap.number_of_native_contexts > 0, copy.m.size, als.getStore(), new Intl.DateTimeFormat('de').format(new Date(0)), 'ok'), 1))`,
}

async function runs(name: string, code: string): Promise<string> {
  const outcome = await runtimes.run({ language: 'javascript', code }, 'fork')
  const told = `${outcome.stdout}${outcome.stderr}`
  assert.deepEqual(
    [outcome.code, outcome.signal, outcome.stdout.toString().endsWith('ok\n')],
    [0, null, true],
    `${name}: ${told}`,
  )
  return told
}

for (const [name, code] of Object.entries(PROGRAMS)) {
  test(`in ${FORKS} forks, ${name}`, async () => {
    const told = await runs(name, code)
    for (let n = 1; n < FORKS - 2 * AT_ONCE; n++) assert.equal(await runs(name, code), told)
    for (let round = 0; round < 2; round++) {
      const beside = await Promise.all(Array.from({ length: AT_ONCE }, () => runs(name, code)))
      for (const one of beside) assert.equal(one, told)
    }
  })
}

test('two forks share no random value, identifier or session', async () => {
  const code = `
const crypto = require('node:crypto'), tls = require('node:tls')
const draws = [Math.random(), Math.random(), crypto.randomUUID(), crypto.randomUUID({ disableEntropyCache: true }), crypto.randomBytes(16).toString('hex'),
  globalThis.crypto.randomUUID(), Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(16))).toString('hex'), crypto.randomInt(2 ** 47),
  crypto.generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  crypto.createECDH('prime256v1').generateKeys('hex'), require('node:vm').runInNewContext('Math.random()')]
console.log(draws.join('\\n'))
new (require('node:worker_threads').Worker)('console.log(Math.random() + "\\\\n" + crypto.randomUUID())', { eval: true })`
  const seen = new Map<string, number>()
  for (const way of ['fork', 'kept'] as const) {
    for (let n = 0; n < FORKS; n++) {
      const { stdout, stderr } = await runtimes.run({ language: 'javascript', code }, way)
      const values = stdout.toString().trim().split('\n')
      assert.equal(values.length, 13, stderr)
      for (const value of values) seen.set(value, (seen.get(value) ?? 0) + 1)
    }
  }
  assert.deepEqual(
    [...seen].filter(([, count]) => count > 1),
    [],
  )
})
