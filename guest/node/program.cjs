// Turns the process that holds a job into the user's program, up to the point where Node loads its file.
'use strict'

const { randomBytes } = require('node:crypto')
const { writeFileSync } = require('node:fs')
const Module = require('node:module')
const path = require('node:path')
const { setFlagsFromString } = require('node:v8')
const warm = require('./warm.cjs')
const addon = require('./zygote.node')

const WORKSPACE = '/workspace'
const EXIT_CANNOT_RUN = 126
const DEFAULTS = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: WORKSPACE, LANG: 'C.UTF-8', USER: 'user' }
const RANDOM_SKIP_MAX = 1 << 16

/** What needs no job, done before one is there. */
exports.prepare = () => {
  addon.reseed()
  drawNewRandomState()
  warm.rehearse()
}

exports.becomeProgram = ({ job, stdio, terminal }) => {
  addon.takeStdio(...stdio, terminal)
  addon.dropToUser()
  takeIdentity()
  const entry = place(job)
  takeEnvironment({ ...DEFAULTS, ...(terminal ? { TERM: 'xterm-256color' } : {}), ...job.env })
  process.argv = [process.execPath, entry, ...(job.args ?? [])]
  process.execArgv = []
  endQuickly()
  forgetRuntime()
  const runMain = Module.runMain
  Module.runMain = () => {
    Module.runMain = runMain
    runMain(entry)
  }
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
 * set at that moment. The flag holds 31 bits; the number of values skipped adds 16 more.
 */
function drawNewRandomState() {
  const fresh = randomBytes(6)
  setFlagsFromString(`--random-seed=${fresh.readUInt32LE(0) & 0x7fffffff || 1}`)
  Math.random()
  setFlagsFromString('--random-seed=0')
  for (let skip = fresh.readUInt16LE(4) % RANDOM_SKIP_MAX; skip > 0; skip--) Math.random()
}

/**
 * The program ends when its last exit listener has run, before Node takes down a platform whose threads a fork does not
 * have. Only a fatal error is still to be printed then; the addon ends that one when it is.
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
    if (event === 'exit' && process._exiting) {
      const code = Number(process.exitCode ?? rest[0] ?? 0)
      if (!dying) addon.exit(code)
      addon.setExitCode(code)
    }
    return heard
  }
  Object.defineProperty(process, 'emit', { value, configurable: true, writable: true, enumerable: false })
}

/** Leaves no trace of how the program came to be. */
function forgetRuntime() {
  for (const file of Object.keys(require.cache)) if (file.startsWith(__dirname)) delete require.cache[file]
}
