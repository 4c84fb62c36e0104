import assert from 'node:assert/strict'
import test from 'node:test'
import { ProtocolError, WINDOW_BYTES } from './frames.ts'
import { ReceiveWindow, SendWindow } from './window.ts'

test('a sender that ignores the window is caught at its first byte beyond it', () => {
  const window = new ReceiveWindow()
  window.receive(WINDOW_BYTES)
  assert.throws(() => window.receive(1), ProtocolError)
})

test('credit is told in large steps and adds up to what was consumed', () => {
  const window = new ReceiveWindow()
  let told = 0
  let sent = 0
  for (let i = 0; i < 1000; i++) {
    window.receive(1000)
    const credit = window.consume(1000)
    if (credit > 0) sent++
    told += credit
  }
  assert.ok(sent < 20, `${sent} credit frames`)
  assert.ok(1_000_000 - told < WINDOW_BYTES / 4)
})

test('credit for what was never sent is refused', () => {
  const window = new SendWindow()
  window.send(10)
  window.credit(10)
  assert.equal(window.available, WINDOW_BYTES)
  assert.throws(() => window.credit(1), ProtocolError)
})
