import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { BEGINNING, OutputLog, type Piece, type Position } from './output-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'cloche-log-'))
after(() => rmSync(folder, { recursive: true }))
let logs = 0
const make = (memoryBytes = 1000): OutputLog =>
  new OutputLog(folder, String(logs++), { memoryBytes, keptBytes: 1_000_000 })

async function collect(log: OutputLog, from: Position = BEGINNING): Promise<Piece[]> {
  const pieces: Piece[] = []
  for await (const piece of log.follow(from)) pieces.push(piece)
  return pieces
}

const shown = (pieces: Piece[]): string =>
  pieces.map((one) => `${one.stream === 'stdout' ? 'o' : 'e'}:${one.bytes}`).join(' ')

test('readers see both streams in the order they came, early and late readers the same', async () => {
  const log = make()
  const early = collect(log)
  log.append('stdout', Buffer.from('a'))
  log.append('stderr', Buffer.from('b'))
  await new Promise((resolve) => setImmediate(resolve))
  log.append('stdout', Buffer.from('c'))
  log.end()
  assert.equal(shown(await early), 'o:a e:b o:c')
  assert.equal(shown(await collect(log)), 'o:a e:b o:c')
})

test('a reader goes on from the position of any piece, losing and repeating nothing', async () => {
  const log = make(4)
  for (let index = 0; index < 20; index++)
    log.append(index % 3 === 0 ? 'stderr' : 'stdout', Buffer.from(`${index},`))
  log.end()
  await log.settle()
  const whole = await collect(log)
  for (const [index, piece] of whole.entries()) {
    assert.equal(shown(await collect(log, piece.position)), shown(whole.slice(index + 1)))
  }
  await log.retire(() => async () => Buffer.alloc(0))
})

test('streams that take turns without end cost bounded memory and lose nothing', async () => {
  const log = make(1000)
  for (let index = 0; index < 20_000; index++)
    log.append(index % 2 === 0 ? 'stdout' : 'stderr', Buffer.from('x'))
  log.end()
  const pieces = await collect(log)
  assert.equal(
    pieces.reduce((sum, one) => sum + one.bytes.length, 0),
    20_000,
  )
  assert.ok(pieces.length < 4200, `${pieces.length} pieces`)
  await log.retire(() => async () => Buffer.alloc(0))
})

test('an aborted reader ends without waiting for more', async () => {
  const log = make()
  const controller = new AbortController()
  const reader = log.follow(BEGINNING, controller.signal).next()
  controller.abort()
  assert.equal((await reader).done, true)
})
