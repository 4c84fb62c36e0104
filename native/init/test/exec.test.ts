import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, stage } from './stage.ts'
import { Flag, Type, u32 } from './wire.ts'

test('a program runs as the user, with its arguments, environment and folder, and its streams apart', { skip: mayRun }, async (t) => {
  const init = await stage(t)
  const wire = init.exec({
    args: ['sh', '-c', 'echo $(id -u):$(id -g):$(id -G); pwd; echo "$A $1"; echo wrong >&2; exit 3', 'name', 'ärg'],
    env: { A: 'b=c' },
    cwd: '/tmp',
  })
  const end = await outcome(wire)
  assert.deepEqual(end.stdout.split('\n'), ['1000:1000:1000', '/tmp', 'b=c ärg', ''])
  assert.equal(end.stderr, 'wrong\n')
  assert.equal(end.status, 3 << 8)
  assert.ok((wire.find(Type.started)?.payload.readUInt32LE(0) ?? 0) > 1)
})

test('standard input arrives whole and ends when the host says so', { skip: mayRun }, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['sha256sum'], flags: Flag.stdin })
  wire.send(Type.stdin, Buffer.from('hel'))
  wire.send(Type.stdin, Buffer.from('lo'))
  wire.send(Type.stdin)
  const end = await outcome(wire)
  assert.match(end.stdout, /^2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 /)
  assert.equal(u32(5).equals(wire.bytesOf(Type.creditStdin)) || wire.frames.filter((f) => f.type === Type.creditStdin).length === 2, true)
})
