// From zygote to a process that holds a job.
'use strict'

const addon = require('./zygote.node')

const FLAG_PTY = 1
const FLAG_KEEP = 8
const READY = Buffer.from('R')

/** Serves forks as the zygote; returns in a process that has one job to run. `prepare` runs before it asks for one. */
exports.nextJob = (controlFd, prepare) => {
  const socket = addon.serve(controlFd)
  prepare()
  addon.say(socket, READY)
  for (;;) {
    const [flags, text, ...stdio] = addon.receive(socket)
    const child = flags & FLAG_KEEP ? addon.forkKeep() : 0
    if (child === 0) {
      addon.closeFd(socket)
      return { job: JSON.parse(text), stdio, terminal: (flags & FLAG_PTY) !== 0, forked: (flags & FLAG_KEEP) !== 0 }
    }
    for (const fd of stdio) addon.closeFd(fd)
    const answer = Buffer.alloc(5)
    answer.writeUInt32LE(child)
    READY.copy(answer, 4)
    addon.say(socket, answer)
  }
}
