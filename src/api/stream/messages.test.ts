import assert from 'node:assert/strict'
import test from 'node:test'
import { isClocheError } from '../../model/errors.ts'
import { parseMessage } from './messages.ts'

const parse = (value: unknown) => parseMessage(Buffer.from(JSON.stringify(value)), false)

test('the messages of the contract are understood', () => {
  assert.deepEqual(parse({ type: 'start', request: { code: '1' } }), {
    type: 'start',
    request: { code: '1' },
  })
  for (const message of [
    { type: 'attach', executionId: 'x' },
    { type: 'stdin', data: 'eA==' },
    { type: 'stdin', data: 'x', encoding: 'utf8' },
    { type: 'stdin_eof' },
    { type: 'resize', cols: 80, rows: 24 },
    { type: 'signal', signal: 'SIGINT' },
  ]) {
    assert.deepEqual(parse(message), message)
  }
})

test('anything else is refused with an error of the registry', () => {
  const wrong = [
    null,
    [],
    'x',
    {},
    { type: 'launch' },
    { type: 'toString' },
    { type: 'start' },
    { type: 'start', request: {}, more: 1 },
    { type: 'resize', cols: 0, rows: 24 },
    { type: 'signal', signal: 'SIGSEGV' },
    { type: 'stdin' },
    { type: 'stdin_eof', extra: 1 },
  ]
  for (const value of wrong) {
    assert.throws(
      () => parse(value),
      (error) => isClocheError(error, 'invalid_request'),
      JSON.stringify(value),
    )
  }
  assert.throws(
    () => parseMessage(Buffer.from('{'), false),
    (error) => isClocheError(error, 'invalid_json'),
  )
  assert.throws(
    () => parseMessage(Buffer.from([1]), true),
    (error) => isClocheError(error, 'invalid_request'),
  )
})
