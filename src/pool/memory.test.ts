import assert from 'node:assert/strict'
import test from 'node:test'
import { parseMeminfo, readMachineMemory } from './memory.ts'

test('memory is read from the kernel in bytes', () => {
  const text = 'MemTotal:       24683520 kB\nMemFree:          100 kB\nMemAvailable:   12341760 kB\n'
  assert.deepEqual(parseMeminfo(text), { totalBytes: 24683520 * 1024, availableBytes: 12341760 * 1024 })
  assert.throws(() => parseMeminfo('MemFree: 1 kB\n'), /MemTotal/)
})

test('this machine has memory, and not more of it free than in all', () => {
  const memory = readMachineMemory()
  assert.ok(memory.availableBytes > 0 && memory.availableBytes <= memory.totalBytes)
})
