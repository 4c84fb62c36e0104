// The Node runtime of Cloche: a warm interpreter, forked into each sandbox, that becomes the user's program.
//
// Node is started as `node -r zygote.cjs /workspace/main.js`. This file runs before the program's and waits; a forked
// child returns from it, inside its sandbox, and Node goes on by itself to load the program. So module loading, exit
// codes, uncaught errors and the end of the process are Node's own, not imitated.
//
// Does not: isolate. The sandbox is around it before any of this runs.
'use strict'

const { isMainThread } = require('node:worker_threads')

const CONTROL_FD = 3

// Threads of the program load this file again: Node preloads it in each.
if (isMainThread) {
  const warm = require('./warm.cjs')
  const { becomeProgram, prepare, seedNewContexts } = require('./program.cjs')
  const { nextJob } = require('./worker.cjs')
  warm.load()
  seedNewContexts()
  becomeProgram(nextJob(CONTROL_FD, prepare))
}
