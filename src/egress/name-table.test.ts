import assert from 'node:assert/strict'
import test from 'node:test'
import { NameTable } from './name-table.ts'

test('a name keeps its made-up address, and the address leads back to it', () => {
  const names = new NameTable()
  const first = names.addressOf('a.dev')
  assert.equal(first, '198.18.0.1')
  assert.equal(names.addressOf('b.dev'), '198.18.0.2')
  assert.equal(names.addressOf('a.dev'), first)
  assert.equal(names.nameOf('198.18.0.2'), 'b.dev')
  assert.equal(names.nameOf('198.18.0.3'), undefined)
})

test('a sandbox can use many names but not make the table grow without end', () => {
  const names = new NameTable()
  let last: string | undefined
  let count = 0
  for (; count < 100_000; count++) {
    const address = names.addressOf(`n${count}.dev`)
    if (address === undefined) break
    last = address
  }
  assert.equal(count, 8192)
  assert.equal(last, '198.18.32.0')
  assert.equal(names.addressOf('n0.dev'), '198.18.0.1', 'known names go on')
})
