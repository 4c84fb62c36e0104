import assert from 'node:assert/strict'
import test from 'node:test'
import { createLog } from '../std/log.ts'
import { Undo } from './undo.ts'

test('what was started is taken down in reverse, once, and a step that fails stops no other', async () => {
  const lines: string[] = []
  const undo = new Undo(createLog('error', (line) => lines.push(line)))
  const taken: string[] = []
  undo.add('first', async () => void taken.push('first'))
  undo.add('second', () => Promise.reject(new Error('stuck')))
  undo.add('third', async () => void taken.push('third'))
  await undo.run()
  await undo.run()
  assert.deepEqual(taken, ['third', 'first'])
  assert.match(lines.join(), /"what":"second".*stuck/)
})
