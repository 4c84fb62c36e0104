import assert from 'node:assert/strict'
import test from 'node:test'
import { ClocheError } from '../model/errors.ts'
import { fromFailure, toFailure } from './messages.ts'

test('our errors pass between threads by code and facts', () => {
  const error = new ClocheError('not_found', { what: 'key', id: 'key_1' })
  const passed = fromFailure(structuredClone(toFailure(error, () => false)))
  assert.deepEqual([passed.code, passed.detail, passed.status], [error.code, error.detail, error.status])
})

test('foreign errors arrive as internal or as a full disk, with their words as cause', () => {
  const internal = fromFailure(structuredClone(toFailure(new Error('disk I/O error'), () => false)))
  assert.equal(internal.code, 'internal')
  assert.match(String(internal.cause), /disk I\/O error/)
  assert.equal(fromFailure(toFailure(new Error('full'), () => true)).code, 'storage_full')
})
