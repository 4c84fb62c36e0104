import assert from 'node:assert/strict'
import test from 'node:test'
import { Code, encodeAddress, encodeEmpty, parseQuestion, Type } from './dns-message.ts'

function query(name: string, type: number = Type.a, flags = 0x0100): Buffer {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  const head = Buffer.from([0x12, 0x34, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])])
}

test('a question is read and answered with an address, its name untouched', () => {
  const parsed = parseQuestion(query('ExAmple.com'))
  assert.ok(parsed.kind === 'question')
  assert.equal(parsed.question.name, 'ExAmple.com')
  const answer = encodeAddress(parsed.question, '198.18.0.7', 30)
  assert.equal(answer.readUInt16BE(0), 0x1234)
  assert.equal(answer.readUInt16BE(2), 0x8180)
  assert.deepEqual([...answer.subarray(-16)], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 198, 18, 0, 7])
  assert.equal(encodeEmpty(parsed.question, Code.noSuchName).readUInt16BE(2), 0x8183)
})

test('answers are never answered, other operations and classes are refused', () => {
  assert.equal(parseQuestion(query('a', Type.a, 0x8000)).kind, 'ignored')
  assert.deepEqual(parseQuestion(query('a', Type.a, 0x2800)), {
    kind: 'refused',
    id: 0x1234,
    code: Code.notImplemented,
  })
  const chaos = query('version.bind')
  chaos[chaos.length - 1] = 3
  assert.equal(parseQuestion(chaos).kind, 'refused')
})

test('compression, overlong names, dots in labels and cut packets are refused without being followed', () => {
  const head = query('a').subarray(0, 12)
  const tail = Buffer.from([0, 1, 0, 1])
  const wrong = [
    Buffer.concat([head, Buffer.from([0xc0, 12]), tail]),
    Buffer.concat([head, Buffer.from([0x40, 1]), tail]),
    Buffer.concat([
      head,
      ...Array.from({ length: 5 }, () => Buffer.from([63, ...Buffer.alloc(63, 97)])),
      Buffer.from([0]),
      tail,
    ]),
    Buffer.concat([head, Buffer.from([3, 97, 46, 98, 0]), tail]),
    Buffer.concat([head, Buffer.from([5, 97])]),
    query('abc').subarray(0, -1),
  ]
  for (const packet of wrong) assert.equal(parseQuestion(packet).kind, 'refused', packet.toString('hex'))
  assert.equal(parseQuestion(Buffer.alloc(11)).kind, 'ignored')
})

test('random packets and mutated questions never throw', () => {
  let state = 42
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return state >> 8
  }
  for (let round = 0; round < 20_000; round++) {
    const packet =
      round % 2 === 0
        ? Buffer.from(Array.from({ length: random() % 80 }, () => random() & 255))
        : query('abc.example.com')
    for (let flips = random() % 6; flips > 0 && packet.length > 0; flips--)
      packet[random() % packet.length] = random() & 255
    const parsed = parseQuestion(packet)
    if (parsed.kind === 'question')
      assert.ok(encodeAddress(parsed.question, '198.18.0.1', 1).length <= packet.length + 16)
  }
})
