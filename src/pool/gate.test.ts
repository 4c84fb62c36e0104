import assert from 'node:assert/strict'
import test from 'node:test'
import { Gate, type Ticket } from './gate.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Work that says when it begins and ends when the test says so. */
function bench(gate: Gate): {
  order: string[]
  add: (name: string, ticket: Ticket) => void
  end: () => Promise<void>
} {
  const order: string[] = []
  const ends: (() => void)[] = []
  const add = (name: string, ticket: Ticket): void => {
    void gate.run(ticket, () => {
      order.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    })
  }
  const end = async (): Promise<void> => {
    ends.shift()?.()
    await turn()
  }
  return { order, add, end }
}

const urgent = (): Ticket => ({ urgency: 'urgent' })
const patient = (): Ticket => ({ urgency: 'patient' })

test('no more than the width runs at once, and the urgent goes first', async () => {
  const gate = new Gate({ width: 2, patientWidth: 2 })
  const { order, add, end } = bench(gate)
  for (const name of ['p1', 'p2', 'p3']) add(name, patient())
  for (const name of ['u1', 'u2']) add(name, urgent())
  assert.deepEqual([gate.running, gate.waiting], [2, 3])
  for (let ended = 0; ended < 5; ended++) {
    await end()
    assert.ok(gate.running <= 2)
  }
  assert.deepEqual(order, ['p1', 'p2', 'u1', 'u2', 'p3'])
  assert.deepEqual([gate.running, gate.waiting], [0, 0])
})

test('patient work leaves room for the urgent, and is not held up by anything but its own width', async () => {
  const gate = new Gate({ width: 3, patientWidth: 1 })
  const { order, add, end } = bench(gate)
  add('p1', patient())
  add('p2', patient())
  add('u1', urgent())
  add('u2', urgent())
  add('u3', urgent())
  await turn()
  assert.deepEqual(order, ['p1', 'u1', 'u2'])
  await end()
  assert.deepEqual(order, ['p1', 'u1', 'u2', 'u3'])
  await end()
  await end()
  assert.deepEqual(order, ['p1', 'u1', 'u2', 'u3', 'p2'])
  await end()
  await end()
  assert.equal(gate.running, 0)
})

test('waiting work that becomes urgent goes first from then on', async () => {
  const gate = new Gate({ width: 2, patientWidth: 1 })
  const { order, add, end } = bench(gate)
  const late = patient()
  for (const [name, ticket] of [
    ['p1', patient()],
    ['p2', patient()],
    ['p3', late],
  ] as const)
    add(name, ticket)
  gate.promote(late)
  await turn()
  assert.deepEqual(order, ['p1', 'p3'])
  for (let ended = 0; ended < 3; ended++) await end()
  assert.deepEqual([order.at(-1), gate.running], ['p2', 0])
})

test('work that fails frees its place', async () => {
  const gate = new Gate({ width: 1, patientWidth: 1 })
  await assert.rejects(gate.run(urgent(), () => Promise.reject(new Error('no'))))
  assert.equal(await gate.run(urgent(), async () => 7), 7)
})
