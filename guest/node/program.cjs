// Turns the process that holds a job into the user's program, up to the point where Node loads its file.
'use strict'

const { randomBytes } = require('node:crypto')
const { writeFileSync } = require('node:fs')
const Module = require('node:module')
const path = require('node:path')
const { setFlagsFromString } = require('node:v8')
const vm = require('node:vm')
const warm = require('./warm.cjs')
const addon = require('./zygote.node')

const WORKSPACE = '/workspace'
const EXIT_CANNOT_RUN = 126
const RANDOM_SKIP_MAX = 1 << 12
const DEFAULTS = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: WORKSPACE, LANG: 'C.UTF-8', USER: 'user' }
const firstRandom = new vm.Script('Math.random()')

/** What needs no job, done before one is there. */
exports.prepare = () => {
  addon.reseed()
  warm.rehearse()
}

exports.becomeProgram = ({ job, stdio, terminal }) => {
  addon.takeStdio(...stdio, terminal)
  addon.dropToUser()
  takeIdentity()
  drawNewRandomState()
  const entry = place(job)
  takeEnvironment({ ...DEFAULTS, ...(terminal ? { TERM: 'xterm-256color' } : {}), ...job.env })
  process.argv = [process.execPath, entry, ...(job.args ?? [])]
  process.execArgv = []
  if (needsFreshNode(process.env)) becomeAnotherNode()
  endQuickly()
  forgetRuntime()
  runNext(entry)
}

/** Node is about to call Module.runMain for the file it was started with. Its next reader gets it bound to this one. */
function runNext(entry) {
  const { runMain } = Module
  const get = () => {
    Object.defineProperty(Module, 'runMain', {
      value: runMain,
      configurable: true,
      enumerable: true,
      writable: true,
    })
    return runMain.bind(Module, entry)
  }
  Object.defineProperty(Module, 'runMain', { get, configurable: true, enumerable: true })
}

/** True when the environment holds settings that Node, the loader or OpenSSL read only when a process starts. */
function needsFreshNode(environment) {
  return Object.keys(environment).some(
    (name) =>
      /^(NODE_|LD_|MALLOC_|GLIBC_|OPENSSL_|SSL_|LC_)/.test(name) &&
      name !== 'NODE_ENV' &&
      name !== 'NODE_PATH',
  )
}

function becomeAnotherNode() {
  const flags = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning']
  process.execve(process.execPath, ['node', ...flags, ...process.argv.slice(1)], process.env)
}

function takeIdentity() {
  process.umask(0o022)
  const pid = { value: addon.currentPid(), enumerable: true, configurable: true, writable: false }
  Object.defineProperty(process, 'pid', pid)
}

/** The program is a file, as for `node main.js`: stack traces, import.meta and worker threads name it. */
function place(job) {
  const name = job.language === 'typescript' ? 'main.ts' : 'main.js'
  try {
    process.chdir(job.cwd ?? WORKSPACE)
    if (typeof job.code !== 'string') return path.resolve(job.file)
    writeFileSync(path.join(WORKSPACE, name), job.code)
    return path.join(WORKSPACE, name)
  } catch (error) {
    require('node:fs').writeSync(2, `cloche: cannot start ${job.file ?? name}: ${error.message}\n`)
    process.reallyExit(EXIT_CANNOT_RUN)
  }
}

function takeEnvironment(environment) {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, environment)
  if (environment.NODE_PATH) Module._initPaths()
}

/**
 * V8 seeds Math.random of a context at its first call, from a generator that every fork shares, unless its seed flag is
 * set at that moment. The flag holds 31 bits; the number of values skipped adds 12 more. Only in the
 * program's own process: one that is forked again must not have drawn.
 */
function drawNewRandomState() {
  withSeed(Math.random)
  for (let skip = randomBytes(2).readUInt16LE(0) % RANDOM_SKIP_MAX; skip > 0; skip--) Math.random()
}

/** Once, in the zygote: contexts that a program makes get random states of their own too. */
exports.seedNewContexts = () => {
  const { createContext, runInNewContext, Script } = vm
  const runScript = Script.prototype.runInNewContext
  Object.assign(vm, {
    createContext(...rest) {
      const context = createContext(...rest)
      withSeed(() => firstRandom.runInContext(context))
      return context
    },
    runInNewContext(code, object, options) {
      return withSeed(() => runInNewContext(code, object, options))
    },
  })
  Script.prototype.runInNewContext = function (object, options) {
    return withSeed(() => Reflect.apply(runScript, this, [object, options]))
  }
  Module.syncBuiltinESMExports()
}

/** With bytes only: randomInt and randomUUID keep a store of numbers, of which each fork of a worker would get a copy. */
function withSeed(run) {
  setFlagsFromString(`--random-seed=${randomBytes(4).readUInt32LE(0) >>> 1 || 1}`)
  try {
    return run()
  } finally {
    setFlagsFromString('--random-seed=0')
  }
}

/**
 * The program ends when its last exit listener has run, before Node takes down a platform whose threads a fork does not
 * have. Only a fatal error is still to be printed then: Node ends that one itself, through the addon's exit handler.
 */
function endQuickly() {
  const { emit, _fatalException: fatalException } = process
  let dying = false
  process._fatalException = (...rest) => {
    dying = true
    const handled = Reflect.apply(fatalException, process, rest)
    dying = !handled
    return handled
  }
  process.reallyExit = (code) => addon.exit(Number(code ?? 0))
  const value = function (event, ...rest) {
    const heard = Reflect.apply(emit, this, [event, ...rest])
    if (event === 'exit' && process._exiting && !dying) addon.exit(Number(process.exitCode ?? rest[0] ?? 0))
    return heard
  }
  Object.defineProperty(process, 'emit', { value, configurable: true, writable: true, enumerable: false })
}

/** Leaves no trace of how the program came to be. */
function forgetRuntime() {
  for (const file of Object.keys(require.cache)) if (file.startsWith(__dirname)) delete require.cache[file]
}
