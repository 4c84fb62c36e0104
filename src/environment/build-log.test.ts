import assert from 'node:assert/strict'
import test from 'node:test'
import { BuildLog } from './build-log.ts'

async function all(log: BuildLog): Promise<string> {
  let text = ''
  for await (const part of log.follow()) text += part
  return text
}

test('whoever follows reads what was said and what comes, each exactly once, until the end', async () => {
  const log = new BuildLog()
  log.write('one ')
  const early = all(log)
  await new Promise(setImmediate)
  log.write(Buffer.from('ä').subarray(0, 1))
  log.write(Buffer.from('ä').subarray(1))
  const late = all(log)
  await new Promise(setImmediate)
  log.write(' two')
  log.close()
  log.write(' never')
  assert.deepEqual(await Promise.all([early, late, all(log)]), ['one ä two', 'one ä two', 'one ä two'])
})

test('a flood keeps its last part and says that there was more', () => {
  const log = new BuildLog()
  for (let i = 0; i < 2000; i++) log.write(`${String(i).padStart(7)}${'.'.repeat(993)}`)
  assert.ok(log.text.length < 300_000)
  assert.match(log.text, /^… \d+ characters before this are not kept\n/)
  assert.match(log.text, / 1999\.+$/)
})

test('a follower that goes away stops waiting', async () => {
  const stop = new AbortController()
  const following = new BuildLog().follow(stop.signal).next()
  stop.abort(new Error('gone'))
  await assert.rejects(following, /gone/)
})
