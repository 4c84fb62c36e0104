import assert from 'node:assert/strict'
import test from 'node:test'
import { chosenStages, stages } from './stages.ts'

test('no word means every stage, quick ones before slow ones', () => {
  assert.equal(chosenStages([]), stages)
  assert.deepEqual(
    stages.slice(0, 4).map(({ name }) => name),
    ['lint', 'types', 'rules', 'unit'],
  )
})

test('check means the quick stages, and a stage is chosen by its name', () => {
  assert.deepEqual(
    chosenStages(['check', 'soak']).map(({ name }) => name),
    ['lint', 'types', 'rules', 'unit', 'soak'],
  )
})

test('a word that names no stage is refused with the names there are', () => {
  assert.throws(() => chosenStages(['everything']), /no stage is called everything; there are: check, lint/)
})
