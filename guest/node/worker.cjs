// From zygote to a process that holds a job.
'use strict'

const addon = require('./zygote.node')

const FLAG_PTY = 1
const FLAG_KEEP = 8
const READY = Buffer.from('R')

/**
 * Serves forks as the zygote; returns in a process that has one job to run. `prepare` runs in it before it asks for one.
 *
 * In a sandbox that is used once, the first worker runs the job itself. In one that is kept it stays: for the first job
 * it forks, and from then on it forks ahead, so that each later job finds a prepared process waiting.
 */
exports.nextJob = (controlFd, prepare) => {
  const socket = addon.serve(controlFd)
  prepare()
  addon.say(socket, READY)
  const first = receive(socket)
  if (!first.keep) return hold(first, socket)
  const child = addon.forkKeep()
  if (child === 0) {
    prepare()
    return hold(first, socket)
  }
  for (const fd of first.stdio) addon.closeFd(fd)
  addon.say(socket, pidBytes(child))
  return forkAhead(socket, prepare)
}

/** Returns in a fork that has taken its job; the one it was forked from goes on to the next when told so. */
function forkAhead(socket, prepare) {
  for (;;) {
    const [taken, wasTaken] = addon.pipe()
    if (addon.forkKeep() === 0) {
      addon.closeFd(wasTaken)
      prepare()
      addon.say(socket, READY)
      const job = receive(socket)
      addon.say(socket, pidBytes(addon.currentPid()))
      addon.tell(taken)
      addon.closeFd(taken)
      return hold(job, socket)
    }
    addon.closeFd(taken)
    if (!addon.hear(wasTaken)) addon.exit(1) // it was killed while it waited: this sandbox takes no more jobs
    addon.closeFd(wasTaken)
  }
}

function receive(socket) {
  const [flags, text, ...stdio] = addon.receive(socket)
  return { text, stdio, terminal: (flags & FLAG_PTY) !== 0, keep: (flags & FLAG_KEEP) !== 0 }
}

function hold({ text, stdio, terminal }, socket) {
  addon.closeFd(socket)
  return { job: JSON.parse(text), stdio, terminal }
}

function pidBytes(pid) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(pid)
  return bytes
}
