import assert from 'node:assert/strict'
import test from 'node:test'
import { facts, table } from './output.ts'

test('a table lines its columns up and leaves no blanks at line ends', () => {
  const text = table(
    ['ID', 'STATUS'],
    [
      ['exec_1', 'succeeded'],
      ['exec_200', ''],
    ],
  )
  assert.equal(text, 'ID        STATUS\nexec_1    succeeded\nexec_200\n')
})

test('a table without rows is nothing at all', () => {
  assert.equal(table(['ID'], []), '')
})

test('facts that are not known are left out', () => {
  assert.equal(
    facts([
      ['status', 'failed'],
      ['signal', null],
      ['exit code', 1],
    ]),
    'status     failed\nexit code  1\n',
  )
})
