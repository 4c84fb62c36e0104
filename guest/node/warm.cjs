// What the zygote does once so that no program has to: modules that most programs load, the compiler of TypeScript (a
// WebAssembly module that takes 30 ms to bring up), and a rehearsal of a program's life. Nothing here may start a thread,
// draw a random number or open the standard streams: all of that would be shared by every fork.
'use strict'

const { Console } = require('node:console')
const { writeFileSync } = require('node:fs')
const { Socket } = require('node:net')
const { runInThisContext } = require('node:vm')
const addon = require('./zygote.node')

const common = [
  'assert',
  'buffer',
  'child_process',
  'crypto',
  'dns',
  'events',
  'fs',
  'fs/promises',
  'http',
  'https',
  'module',
  'net',
  'os',
  'path',
  'perf_hooks',
  'querystring',
  'readline',
  'stream',
  'stream/promises',
  'string_decoder',
  'timers',
  'timers/promises',
  'tls',
  'tty',
  'url',
  'util',
  'worker_threads',
  'zlib',
]

exports.load = () => {
  for (const name of common) require(`node:${name}`)
  require('node:module').stripTypeScriptTypes('enum Warm { Up }', { mode: 'transform' })
  for (let round = 0; round < 3; round++) exports.rehearse()
}

/**
 * What most programs do first: be compiled, write a file, print through a pipe. In the zygote this compiles Node's own
 * functions for it; in a fork it makes the pages they write its own before there is anyone to wait.
 */
exports.rehearse = () => {
  writeFileSync('/dev/null', 'rehearsal')
  const [end, other] = addon.pipe()
  const stream = new Socket({ fd: end, readable: false, writable: true })
  const out = new Console(stream)
  out.log('rehearsal %s', 1, { of: ['a', 'program'] })
  stream.destroy()
  addon.closeFd(other)
  runInThisContext('(function (exports, require, module) { return [1].map((one) => one + 1) })')(
    {},
    require,
    module,
  )
  process._tickCallback() // what closing the stream left queued would show in the program's first stack traces
}
