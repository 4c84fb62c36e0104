import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, stage } from './stage.ts'
import { Flag, size, Type } from './wire.ts'

const options = { skip: mayRun }
const terminal = Flag.pty | Flag.stdin

test('a terminal has the size the host says, first and later', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({
    args: ['sh', '-c', 'stty size; read x; stty size; tty; echo $TERM'],
    flags: terminal,
    size: [100, 30],
  })
  await wire.until((each) => each.text().includes('30 100'))
  wire.send(Type.resize, size(120, 40))
  wire.send(Type.stdin, Buffer.from('\n'))
  const end = await outcome(wire)
  assert.match(end.stdout, /30 100\r\n\r\n40 120\r\n\/dev\/pts\/\d+\r\nxterm-256color\r\n$/)
})

test('a terminal is the controlling one: its interrupt key is a signal', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['sh', '-c', 'echo up; exec sleep 1000'], flags: terminal })
  await wire.until((each) => each.text().includes('up'))
  wire.send(Type.stdin, Buffer.from('\x03'))
  assert.equal((await outcome(wire)).status, 2)
})

test('the end of input reaches a program on a terminal, also in the middle of a line', options, async (t) => {
  const init = await stage(t)
  for (const line of ['whole\n', 'half']) {
    const wire = init.exec({ args: ['sh', '-c', 'stty -echo; echo up; cat; echo over'], flags: terminal })
    await wire.until((each) => each.text().includes('up'))
    wire.send(Type.stdin, Buffer.from(line))
    wire.send(Type.stdin)
    const end = await outcome(wire)
    assert.equal(end.stdout, `up\r\n${line.replace('\n', '\r\n')}over\r\n`)
  }
})

test('what was written to a terminal just before the end is all there', options, async (t) => {
  const init = await stage(t)
  for (let i = 0; i < 10; i++) {
    const end = await outcome(init.exec({ args: ['sh', '-c', 'seq 1 5000'], flags: Flag.pty }))
    assert.equal(end.stdout, Array.from({ length: 5000 }, (_, n) => `${n + 1}\r\n`).join(''))
    assert.equal(end.status, 0)
  }
})

test('a shell with job control is gone with its connection', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({ args: ['bash', '-i'], flags: terminal })
  wire.send(Type.stdin, Buffer.from("trap '' HUP; sleep 1000 &\nnohup sleep 1001 &\necho r''eady\n"))
  await wire.until((each) => /[\r\n]ready/.test(each.text()))
  wire.close()
  for (let left = ''; left !== '0\n'; ) left = (await init.run('pgrep -x "sleep|bash" | wc -l')).stdout
})

test('a worker job gets a terminal as well', options, async (t) => {
  const init = await stage(t, { worker: true })
  const end = await outcome(
    init.exec({ flags: Flag.runtime | Flag.pty, job: 'tty; stty size', size: [10, 20] }),
  )
  assert.match(end.stdout, /^\/dev\/pts\/\d+\r\n20 10\r\n$/)
})
