import assert from 'node:assert/strict'
import test from 'node:test'
import { createLog } from './log.ts'

test('a line is one JSON object with time, level, message and the named fields; errors keep their causes', () => {
  const lines: string[] = []
  const log = createLog(
    'info',
    (line) => lines.push(line),
    () => 0,
  )
  log.debug('unseen')
  log.error('failed', { id: 'x', error: new Error('outer', { cause: new RangeError('inner') }) })
  assert.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '')
  assert.equal(line.time, '1970-01-01T00:00:00.000Z')
  assert.equal(line.level, 'error')
  assert.equal(line.error.message, 'outer')
  assert.equal(line.error.cause.name, 'RangeError')
})

test('a cause that is its own cause ends', () => {
  const error = new Error('loop')
  error.cause = error
  const lines: string[] = []
  createLog('info', (line) => lines.push(line)).warn('x', { error })
  assert.equal(lines.length, 1)
})
