import assert from 'node:assert/strict'
import test from 'node:test'
import type { Piece, StreamName } from '../../execution/output-log.ts'
import { tailPosition } from './tail.ts'

async function* pieces(...texts: Array<[StreamName, string]>): AsyncGenerator<Piece> {
  for (const [stream, text] of texts)
    yield { stream, bytes: Buffer.from(text), position: { stdout: 0, stderr: 0 } }
}

test('the last lines begin where they begin, however the output was cut', async () => {
  const text = 'one\ntwo\nthree\n'
  for (let size = 1; size <= text.length; size++) {
    const cut = (text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).map((part): [StreamName, string] => [
      'stdout',
      part,
    ])
    const { stdout } = await tailPosition(pieces(...cut), 2, undefined)
    assert.equal(text.slice(stdout), 'two\nthree\n', `pieces of ${size}`)
  }
})

test('a last line without an end counts, and fewer lines than asked are all of them', async () => {
  assert.equal((await tailPosition(pieces(['stdout', 'a\nb']), 1, undefined)).stdout, 2)
  assert.equal((await tailPosition(pieces(['stdout', 'a\nb']), 5, undefined)).stdout, 0)
  assert.equal((await tailPosition(pieces(['stdout', 'a\nb']), 0, undefined)).stdout, 3)
})

test('each stream has its own lines, and one alone can be asked for', async () => {
  const mixed = (): AsyncGenerator<Piece> =>
    pieces(['stdout', 'a\n'], ['stderr', 'x\ny\n'], ['stdout', 'b\n'])
  assert.deepEqual(await tailPosition(mixed(), 1, undefined), { stdout: 2, stderr: 2 })
  assert.deepEqual(await tailPosition(mixed(), 1, 'stderr'), { stdout: 0, stderr: 2 })
})
