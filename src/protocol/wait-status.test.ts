import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeWaitStatus, signalNumber } from './wait-status.ts'

test('a wait status is an exit code or the name of a signal, never both', () => {
  assert.deepEqual(decodeWaitStatus(0), { code: 0, signal: null })
  assert.deepEqual(decodeWaitStatus(3 << 8), { code: 3, signal: null })
  assert.deepEqual(decodeWaitStatus(255 << 8), { code: 255, signal: null })
  assert.deepEqual(decodeWaitStatus(9), { code: null, signal: 'SIGKILL' })
  assert.deepEqual(decodeWaitStatus(11 | 0x80), { code: null, signal: 'SIGSEGV' })
  assert.deepEqual(decodeWaitStatus(6), { code: null, signal: 'SIGABRT' })
  assert.deepEqual(decodeWaitStatus(40), { code: null, signal: 'SIG40' })
})

test('signal names have the numbers of the kernel', () => {
  assert.equal(signalNumber('SIGTERM'), 15)
  assert.equal(signalNumber('SIGWINCH'), 28)
})
