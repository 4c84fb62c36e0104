/** Ordinary programs, unchanged: what runs on a Debian machine runs in a sandbox. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

test('an HTTP server and its client live in one sandbox', async () => {
  const python = await admin.execute({
    language: 'python',
    code: `
import http.server, threading, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"served " + self.path.encode())
    def log_message(self, *args): pass
httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
threading.Thread(target=httpd.serve_forever, daemon=True).start()
for n in range(20):
    body = urllib.request.urlopen(f"http://localhost:8000/{n}").read()
print(body.decode())`,
  })
  assert.equal(python.stdout, 'served /19\n', python.stderr)
  const node = await admin.execute({
    language: 'javascript',
    code: `
import http from 'node:http';
const server = http.createServer((q, r) => r.end('served ' + q.url)).listen(80, '0.0.0.0');
await new Promise((done) => server.once('listening', done));
let body;
for (let n = 0; n < 20; n++) body = await (await fetch('http://127.0.0.1:80/' + n)).text();
console.log(body);
server.close(); server.closeAllConnections();`,
  })
  assert.equal(node.stdout, 'served /19\n', node.stderr)
})

test('subprocess trees run, report and are reaped', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import subprocess
out = subprocess.run(["bash", "-c", "for i in 1 2 3; do (bash -c 'sh -c \\"echo deep $0\\"' $i) & done; wait"], capture_output=True, text=True)
print(sorted(out.stdout.split("\\n")))
pipe = subprocess.run("seq 1 1000 | grep 7 | sort -rn | head -1", shell=True, capture_output=True, text=True)
print(pipe.stdout.strip(), pipe.returncode)
print(subprocess.run(["false"]).returncode)`,
  })
  assert.equal(result.stdout, "['', 'deep 1', 'deep 2', 'deep 3']\n997 0\n1\n", result.stderr)
  const node = await admin.execute({
    language: 'javascript',
    code: `
import { execFileSync, spawn } from 'node:child_process';
console.log(execFileSync('sh', ['-c', 'echo child $PPID | wc -w']).toString().trim());
const c = spawn('cat'); c.stdin.end('piped'); let s=''; for await (const d of c.stdout) s += d; console.log(s);`,
  })
  assert.equal(node.stdout, '2\npiped\n', node.stderr)
})

test('threads and multiprocessing work, semaphores and queues included', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import threading, multiprocessing as mp, concurrent.futures as cf
def square(x): return x * x
def feed(q): q.put("from child")
if __name__ == "__main__":
    total = []
    threads = [threading.Thread(target=lambda n=n: total.append(n)) for n in range(32)]
    [t.start() for t in threads]; [t.join() for t in threads]
    print(sum(total))
    with mp.Pool(3) as pool: print(sum(pool.map(square, range(100))))
    q = mp.Queue(); p = mp.Process(target=feed, args=(q,)); p.start(); print(q.get()); p.join()
    with cf.ThreadPoolExecutor() as ex: print(sum(ex.map(square, range(10))))
    lock, value = mp.Lock(), mp.Value("i", 0)
    with lock: value.value += 1
    print(value.value)`,
    resources: { memoryMb: 512 },
  })
  assert.equal(result.stdout, '496\n328350\nfrom child\n285\n1\n', result.stderr)
})

test('sqlite keeps a database on the sandbox’s disk, in memory and through Node', async () => {
  const result = await admin.execute({
    language: 'python',
    code: `
import sqlite3
db = sqlite3.connect("app.db"); db.execute("pragma journal_mode=wal")
db.execute("create table t (n integer, s text)")
db.executemany("insert into t values (?, ?)", [(i, str(i)) for i in range(1000)]); db.commit()
print(sqlite3.connect("app.db").execute("select sum(n), count(*) from t").fetchone())`,
  })
  assert.equal(result.stdout, '(499500, 1000)\n', result.stderr)
  const node = await admin.execute({
    language: 'javascript',
    code: `
import { DatabaseSync } from 'node:sqlite';
const db = new DatabaseSync('app.db');
db.exec('create table t (n integer); insert into t values (1), (2), (3)');
console.log(db.prepare('select sum(n) as total from t').get().total);`,
  })
  assert.equal(node.stdout, '6\n', node.stderr)
})

test('TypeScript runs with types, interfaces, generics and enums', async () => {
  const result = await admin.execute({
    language: 'typescript',
    code: `
enum Colour { Red = 1, Green, Blue }
const enum Size { Small = 'S', Large = 'L' }
interface Item<T extends object> { readonly value: T; colour: Colour }
namespace Shapes { export const sides = (n: number): string => n + ' sides'; }
class Box<T extends object> { constructor(private readonly item: Item<T>) {} open(): T { return this.item.value; } }
type Point = { x: number; y?: number };
const box = new Box<Point>({ value: { x: 3 } satisfies Point, colour: Colour.Green });
const y = box.open().y ?? (0 as number);
console.log(box.open().x, y, Colour[2], Colour.Blue, Size.Large, Shapes.sides(4));
await Promise.resolve();`,
  })
  assert.equal(result.stdout, '3 0 Green 3 L 4 sides\n', result.stderr)
})

test('a 50 MB stdout arrives complete', async () => {
  const result = await admin.execute({
    language: 'python',
    code: 'import sys\nline = "0123456789abcdef" * 64\nfor _ in range(50 * 1024): sys.stdout.write(line)',
    timeoutMs: 60_000,
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  assert.equal(result.truncated.stdout, false)
  assert.equal(result.stdout.length, 50 * 1024 * 1024)
  assert.equal(result.stdout, '0123456789abcdef'.repeat((50 * 1024 * 1024) / 16))
})

test('Node keeps its abilities: workers, crypto, zlib, timers, DNS of localhost, WebAssembly', async () => {
  const result = await admin.execute({
    language: 'javascript',
    code: `
import { Worker } from 'node:worker_threads';
import { scryptSync, randomUUID, pbkdf2 } from 'node:crypto';
import { gzipSync, gunzip } from 'node:zlib';
import { lookup } from 'node:dns/promises';
import { promisify } from 'node:util';
import { readFile, writeFile } from 'node:fs/promises';
const w = new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true });
console.log(await new Promise((done) => w.once('message', done)));
console.log(scryptSync('a', 'b', 8).length, (await promisify(pbkdf2)('a', 'b', 10, 8, 'sha256')).length, randomUUID().length);
console.log((await promisify(gunzip)(gzipSync('zipped'))).toString());
console.log((await lookup('localhost')).address);
await new Promise((done) => setTimeout(done, 5));
const wasm = new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0]));
console.log(wasm instanceof WebAssembly.Module);
await writeFile('x', 'kept'); console.log(await readFile('x', 'utf8'));
let junk = []; for (let i = 0; i < 2e6; i++) junk.push({ i }); junk = null; console.log('collected');`,
    resources: { memoryMb: 512 },
  })
  assert.match(
    result.stdout,
    /^42\n8 8 36\nzipped\n(127\.0\.0\.1|::1)\ntrue\nkept\ncollected\n$/,
    result.stderr,
  )
})

test('pipes to /dev/stdout, here-documents and process substitution work in bash', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'echo direct > /dev/stdout; echo e > /dev/stderr; cat <<< here; diff <(echo same) <(echo same) && echo equal; echo $((6*7))',
  })
  assert.deepEqual([result.stdout, result.stderr], ['direct\nhere\nequal\n42\n', 'e\n'])
})

test('the clock, the hostname, the users and the devices look like a small machine', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: `id -u; id -g; whoami; hostname; echo x > /dev/null; head -c 4 /dev/urandom | wc -c; head -c 2 /dev/zero | wc -c
test -r /etc/resolv.conf && echo resolv; getent hosts localhost | wc -l; ls -d /proc/self > /dev/null && echo proc; tty || true; date +%Y | grep -c 20`,
  })
  assert.match(
    result.stdout,
    /^1000\n1000\nuser\n\S+\n4\n2\nresolv\n1\nproc\nnot a tty\n1\n$/,
    result.stdout + result.stderr,
  )
})
