// What the zygote does once so that no program has to: modules that most programs load, and the compiler of TypeScript,
// a WebAssembly module that takes 30 ms to bring up. Nothing here may start a thread, draw a random number or open
// standard streams: all of that would be shared by every fork.
'use strict'

const common = [
  'assert', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs', 'fs/promises', 'http', 'https', 'module', 'net',
  'os', 'path', 'perf_hooks', 'querystring', 'readline', 'stream', 'stream/promises', 'string_decoder', 'timers',
  'timers/promises', 'tls', 'tty', 'url', 'util', 'worker_threads', 'zlib',
]

exports.load = () => {
  for (const name of common) require(`node:${name}`)
  require('node:module').stripTypeScriptTypes('enum Warm { Up }', { mode: 'transform' })
}
