import assert from 'node:assert/strict'
import test from 'node:test'
import { ProtocolError } from './frames.ts'
import { encodeLauncherRequest, type LauncherMessage, LauncherReader, numberField } from './launcher.ts'

function message(text: string): Buffer {
  const body = Buffer.from(text)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(body.length)
  return Buffer.concat([head, body])
}

test('a request is its verb, tag and fields joined by NUL after its length', () => {
  const request = encodeLauncherRequest('create', 7, { id: 'abc', mem: 1024 })
  assert.equal(request.readUInt32LE(0), request.length - 4)
  assert.equal(request.toString('utf8', 4), 'create\x007\0id=abc\0mem=1024')
})

test('a field cannot smuggle another', () => {
  assert.throws(() => encodeLauncherRequest('kill', 1, { id: 'a\0b=c' }), RangeError)
})

test('answers and events come out the same however the stream is cut', () => {
  const bytes = Buffer.concat([
    message('ok\x005\0socket=/run/x=y\0clone_us=12'),
    message('exit\x000\0id=abc\0status=9'),
  ])
  for (let step = 1; step <= bytes.length; step++) {
    const seen: LauncherMessage[] = []
    const reader = new LauncherReader((one) => seen.push(one))
    for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step))
    assert.equal(seen.length, 2)
    assert.equal(seen[0]?.fields.get('socket'), '/run/x=y')
    assert.equal(seen[1]?.verb, 'exit')
    assert.equal(seen[1] && numberField(seen[1], 'status'), 9)
    assert.equal(seen[1] && numberField(seen[1], 'absent'), 0)
  }
})

test('an oversize or nameless message is a protocol error', () => {
  const read = (bytes: Buffer): void => new LauncherReader(() => {}).push(bytes)
  assert.throws(() => read(Buffer.from([0, 0, 0, 0])), ProtocolError)
  assert.throws(() => read(Buffer.from([1, 0, 1, 0])), ProtocolError)
  assert.throws(() => read(message('ok\x00minus')), ProtocolError)
  assert.throws(() => read(message('\x001')), ProtocolError)
})
