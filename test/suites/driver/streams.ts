import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { eventually, within } from '../../support/eventually.ts'
import { command, finish, type Make, sh } from './pieces.ts'

export function streams(make: Make): void {
  test('50 MB of output arrive byte for byte', async () => {
    const one = await make()
    const script =
      'import sys,hashlib\nh=hashlib.sha256()\nfor i in range(800):\n b=bytes([i%251])*65536; h.update(b); sys.stdout.buffer.write(b)\nsys.stderr.write(h.hexdigest())'
    const process = one.exec(command(['python3', '-c', script]))
    const hash = createHash('sha256')
    let bytes = 0
    let told = ''
    process.onOutput((stream, chunk) => {
      if (stream === 'stderr') told += chunk
      else {
        hash.update(chunk)
        bytes += chunk.length
      }
    })
    await within(process.exited, 30_000, 'all of it')
    assert.equal(bytes, 800 * 65_536)
    assert.equal(hash.digest('hex'), told)
  })

  test('a paused reader holds the program up, and loses nothing', async () => {
    const one = await make()
    const process = one.exec(
      command(['python3', '-c', 'import os\nfor i in range(64): os.write(1, bytes([i])*65536)']),
    )
    let bytes = 0
    process.onOutput((_, chunk) => {
      if (bytes === 0) process.pause()
      bytes += chunk.length
    })
    await eventually(() => bytes >= 200_000, { withinMs: 5000, what: 'one window' })
    const early = await Promise.race([
      process.exited,
      new Promise((resolve) => setTimeout(resolve, 200, 'held')),
    ])
    assert.equal(early, 'held')
    assert.ok(bytes <= 262_144, `${bytes} bytes past a window`)
    process.resume()
    await within(process.exited, 5000, 'the rest')
    assert.equal(bytes, 64 * 65_536)
  })

  test('input of many windows arrives byte for byte', async () => {
    const one = await make()
    const input = randomBytes(3 << 20)
    const process = one.exec(command(['sha256sum'], { stdin: true }))
    const ran = finish(process)
    for (let at = 0; at < input.length; at += 700_001)
      await process.writeStdin(input.subarray(at, at + 700_001))
    process.endStdin()
    assert.equal((await ran).stdout.slice(0, 64), createHash('sha256').update(input).digest('hex'))
  })

  test('a program without input reads its end at once, one that stopped reading holds up nobody', async () => {
    const one = await make()
    assert.equal((await sh(one, 'cat; echo end')).stdout, 'end\n')
    const process = one.exec(command(['sh', '-c', 'exec 0<&-; sleep 0.3; echo done'], { stdin: true }))
    const ran = finish(process)
    await within(process.writeStdin(Buffer.alloc(2 << 20)), 5000, 'the write is let go')
    assert.equal((await ran).stdout, 'done\n')
  })

  test('a grandchild that holds the output open does not hold up the end', async () => {
    const one = await make()
    const began = performance.now()
    assert.equal((await sh(one, 'sleep 30 & echo now')).stdout, 'now\n')
    assert.ok(performance.now() - began < 10_000)
  })
}
