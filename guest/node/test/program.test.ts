/** A Node program cannot tell, by what it prints and how it ends, that it was forked from a warm interpreter. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Program, Runtimes, sameInEveryWay } from '../../test/runtime.ts'

const runtimes = await Runtimes.open()
after(() => runtimes.close())

interface Told {
  readonly stdout: string
  readonly stderr: string
  readonly end: string | number | null
}

async function same(code: string, more: Partial<Program> = {}): Promise<Told> {
  const outcome = await sameInEveryWay(runtimes, { language: 'javascript', code, ...more })
  return { stdout: outcome.stdout.toString(), stderr: outcome.stderr, end: outcome.signal ?? outcome.code }
}

test('its arguments, paths and environment are those of `node FILE`', async () => {
  const { stdout } = await same(
    `
const os = require('node:os')
console.log(process.argv, process.argv0, process.execPath, process.execArgv, process.title, process.cwd())
console.log(process.env, Object.keys(process.env), process.umask().toString(8), process.getuid(), process.getgid(), process.getgroups())
console.log(process.pid > 1, process.ppid, process.getegid(), os.homedir(), os.userInfo().username, os.hostname())
console.log(__filename, __dirname, require.main === module, module.id, module.paths, Object.keys(require.cache), module.children.length)
console.log(Object.keys(globalThis), typeof require('node:process').report, process.exitCode, process.allowedNodeEnvironmentFlags.size > 100)
console.log(process.listenerCount('exit'), process.listenerCount('SIGINT'), process.listenerCount('uncaughtException'), process.listenerCount('warning'))
console.log(Object.keys(process).filter((k) => !k.startsWith('_')).length, process.stdin.constructor.name, process.stdout.constructor.name, process.stderr.constructor.name)
console.log(process.release.name, process.versions.node, process.config.variables.v8_enable_i18n_support)
console.log(fs_open().join(), process.connected, process.channel, process.noDeprecation, process.throwDeprecation)
function fs_open() { return require('node:fs').readdirSync('/proc/self/fd').slice(0, 3) }`,
    { args: ['a b', '', 'ü'], env: { NAME: 'välue', EMPTY: '' } },
  )
  assert.match(stdout, /'\/workspace\/main\.js',\s+'a b',\s+'',\s+'ü'/)
})

test('code is a module or a script as Node finds it to be', async () => {
  assert.equal((await same('console.log(typeof require, this === module.exports)')).stdout, 'function true\n')
  const module = await same(
    `import fs, { readFileSync } from 'node:fs'
const { promisify } = await import('node:util')
console.log(typeof require, import.meta.filename, import.meta.dirname, import.meta.main, this, typeof promisify, fs.readFileSync === readFileSync)
await new Promise((done) => setTimeout(done, 5)); console.log('after await')
export const x = 1`,
  )
  assert.match(module.stdout, /^undefined \/workspace\/main\.js/)
  assert.equal((await same('await 1; console.log("top", typeof require)')).stdout, 'top undefined\n')
  assert.equal(
    (await same('import("node:path").then((p) => console.log(typeof p.join))')).stdout,
    'function\n',
  )
  assert.equal(
    (
      await same('const { a } = require("./lib.mjs"); console.log(a)', {
        files: { 'lib.mjs': 'export const a = 7' },
      })
    ).stdout,
    '7\n',
  )
  await same(
    'import data from "./data.json" with { type: "json" }; import cjs from "./c.cjs"; console.log(data, cjs)',
    {
      files: { 'data.json': '{"a":1}', 'c.cjs': 'module.exports = __filename' },
    },
  )
  await same('import dep from "dep"; console.log(dep)', {
    files: {
      'node_modules/dep/package.json': '{"exports":"./i.mjs"}',
      'node_modules/dep/i.mjs': 'export default 5',
    },
  })
})

test('TypeScript runs with types, enums, namespaces and parameter properties, and errors name its lines', async () => {
  const typescript = { language: 'typescript' } as const
  const { stdout } = await same(
    `enum Colour { Red = 1, Green }
namespace Space { export const inner: number = 3 }
class Point { constructor(public readonly x: number, private y = 2) {} sum(): number { return this.x + this.y } }
interface Shape { area(): number }
const generic = <T,>(value: T): T => value
console.log(Colour.Green, Colour[1], Space.inner, new Point(1).sum(), generic<string>('g') satisfies string)
import type { Stats } from 'node:fs'
import { statSync } from 'node:fs'
const stats: Stats = statSync('/'); console.log(stats.isDirectory() as boolean)`,
    typescript,
  )
  assert.equal(stdout, '2 Red 3 3 g\ntrue\n')
  const { stderr, end } = await same(
    `type A = {
  b: number
}
function fails(a: A): never {
  throw new Error('at line five ' + a.b)
}
fails({ b: 1 })`,
    typescript,
  )
  assert.match(stderr, /main\.ts:5/)
  assert.equal(end, 1)
  const broken = await same('const x: = 3', typescript)
  assert.match(broken.stderr, /SyntaxError/)
})

test('uncaught errors and unhandled rejections are printed as Node prints them, and end with 1', async () => {
  const { stderr, end } = await same(`function inner() { throw new TypeError('bad') }\n\ninner()`)
  assert.match(
    stderr,
    /^\/workspace\/main\.js:1\n.*\n.*\^\n\nTypeError: bad\n {4}at inner \(\/workspace\/main\.js:1:/s,
  )
  assert.equal(end, 1)
  for (const code of [
    'Promise.reject(new Error("rejected"))',
    'throw 5',
    'throw null',
    'await Promise.reject(new Error("top"))',
    'setTimeout(() => { throw new Error("later") }, 1)',
    'process.nextTick(() => nowhere())',
    'syntax error here',
    'import { nothing } from "node:fs"',
    'import "./missing.mjs"',
    'require("./missing")',
    'process.on("exit", (c) => console.log("exit", c)); throw new Error("with listener")',
    'process.on("uncaughtException", (e) => { console.log("caught", e.message); process.exitCode = 9 }); throw new Error("x")',
    'process.on("unhandledRejection", (e) => console.log("handled", e.message)); Promise.reject(new Error("y"))',
    'process.on("uncaughtExceptionMonitor", (e) => console.log("seen", e.message)); throw new Error("z")',
    'process.on("exit", () => { throw new Error("in exit") })',
    'process.exitCode = 5; throw new Error("with exit code")',
    'const e = new Error("cause", { cause: new Error("inner") }); throw e',
    'new (require("node:events"))().emit("error", new Error("emitted"))',
    'process.emitWarning("careful"); new Buffer(1)',
  ]) {
    await same(code)
  }
})

test('exit codes come from process.exit, exitCode and what is left undone', async () => {
  const again =
    'process.on("uncaughtException", () => { throw new Error("again") }); throw new Error("first")'
  for (const way of ['cold', 'fork', 'kept'] as const) {
    const { code, stderr } = await runtimes.run({ language: 'javascript', code: again }, way)
    assert.equal(code, 7)
    assert.match(stderr, /Error: again/)
  }
  for (const [code, end] of [
    ['process.exit()', 0],
    ['process.exit(7)', 7],
    ['process.exitCode = 8', 8],
    ['process.exitCode = 8; process.exit()', 8],
    ['process.exit("9")', 9],
    ['process.exit(300)', 44],
    ['process.on("exit", () => { process.exitCode = 11 })', 11],
    ['process.on("exit", (c) => { process.exit(c + 12) })', 12],
    ['setTimeout(() => process.exit(5), 10); setInterval(() => {}, 1000)', 5],
    ['await new Promise(() => {})', 13],
    ['process.reallyExit(6)', 6],
    [
      'let n = 0; process.on("beforeExit", () => { if (n++ < 3) setTimeout(() => console.log("again", n), 1) })',
      0,
    ],
    ['process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)', 'SIGTERM'],
    ['process.kill(process.pid, "SIGKILL"); setTimeout(() => {}, 5000)', 'SIGKILL'],
  ] as const) {
    assert.equal((await same(code)).end, end, code)
  }
  const aborted = await runtimes.run({ language: 'javascript', code: 'process.abort()' }, 'fork')
  assert.equal(aborted.signal, 'SIGABRT')
})

test('settings that a running Node cannot take are taken by a new one', async () => {
  await same('console.log(Error.stackTraceLimit)', { env: { NODE_OPTIONS: '--stack-trace-limit=3' } })
  await same('process.emitWarning("unheard")', { env: { NODE_NO_WARNINGS: '1' } })
  await same('console.log(new Date(0).getHours(), process.env.NODE_ENV)', {
    env: { TZ: 'Etc/GMT-3', NODE_ENV: 'production' },
  })
  await same('console.log(require("beside"))', {
    env: { NODE_PATH: '/workspace/lib' },
    files: { 'lib/beside.js': 'module.exports = 1' },
  })
})

test('signals are heard, and end a program that does not listen', async () => {
  const deaf = 'console.log("ready"); setTimeout(() => {}, 60000)'
  assert.equal((await same(deaf, { interruptAfter: 'ready' })).end, 'SIGINT')
  const hears =
    'process.once("SIGINT", (s) => { console.log("heard", s); clearInterval(t) }); const t = setInterval(() => {}, 1000); console.log("ready")'
  assert.equal((await same(hears, { interruptAfter: 'ready' })).stdout, 'ready\nheard SIGINT\n')
})

test('50 MB of output arrive whole', async () => {
  const { stdout } = await same(
    'for (let n = 0; n < 50; n++) process.stdout.write(String(n % 10).repeat(1 << 20))',
  )
  assert.equal(stdout.length, 50 << 20)
})

test('standard input is read as a stream, by line, at once and in a terminal', async () => {
  const stdin = Array.from({ length: 20_000 }, (_, n) => `line ${n} ü`).join('\n')
  await same(
    'let n = 0; process.stdin.on("data", (d) => { n += d.length }).on("end", () => console.log(n))',
    { stdin },
  )
  await same(
    'let n = 0; for await (const line of require("node:readline").createInterface({ input: process.stdin })) n++; console.log(n)'.replace(
      'require("node:readline")',
      '(await import("node:readline"))',
    ),
    { stdin },
  )
  await same('console.log(require("node:fs").readFileSync(0, "utf8").length)', { stdin })
  await same('process.stdin.on("data", () => {}).on("end", () => console.log("ended"))')
  const { stdout } = await same(
    'console.log(String([process.stdout.isTTY, process.stdin.isTTY, process.stdout.columns, process.stdout.rows, process.env.TERM, process.stdout.constructor.name]))',
    {
      pty: { cols: 90, rows: 30 },
    },
  )
  assert.match(stdout, /true,true,90,30,xterm-256color,WriteStream/)
  await same('process.stdin.once("data", (d) => { console.log("read", d); process.stdin.pause() })', {
    stdin: 'typed\n',
    pty: { cols: 80, rows: 25 },
  })
})

test('its clocks begin with it', async () => {
  const { stdout } = await runtimes.run(
    {
      language: 'javascript',
      code: 'console.log(process.uptime(), performance.now(), Date.now() - performance.timeOrigin)',
    },
    'fork',
  )
  for (const figure of stdout.toString().trim().split(' ')) {
    assert.ok(Number(figure) >= 0 && Number(figure) < 60_000, stdout.toString())
  }
})
