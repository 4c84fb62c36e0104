import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { isClocheError } from '../../../src/model/errors.ts'
import { within } from '../../support/eventually.ts'
import { type Make, SUITE_LIMITS, sh } from './pieces.ts'

export function files(make: Make): void {
  test('files go in and come out as they were, folders too', async () => {
    const one = await make()
    const big = randomBytes(5 << 20)
    await one.writeFiles([
      { path: 'deep/er/a.txt', mode: 0o644, content: Buffer.from('ä') },
      { path: 'deep/run.sh', mode: 0o755, content: Buffer.from('#!/bin/sh\necho ran\n') },
      { path: '/tmp/big', mode: 0o600, content: big },
      { path: 'empty', mode: 0o644, content: Buffer.alloc(0) },
    ])
    assert.equal((await sh(one, './deep/run.sh; cat deep/er/a.txt')).stdout, 'ran\nä')
    const found = await one.readFiles(['deep', '/tmp/big', 'empty', 'not-there'], 16 << 20)
    const byPath = new Map(found.map((file) => [file.path, file]))
    assert.equal(byPath.get('deep/er/a.txt')?.content?.toString(), 'ä')
    assert.equal(byPath.get('deep/run.sh')?.mode, 0o755)
    assert.ok(byPath.get('/tmp/big')?.content?.equals(big))
    assert.equal(byPath.get('empty')?.content?.length, 0)
    assert.equal(byPath.get('not-there')?.content, null)
  })

  test('a thousand small files go in and out', async () => {
    const one = await make()
    const many = Array.from({ length: 1000 }, (_, i) => ({
      path: `n/${i}`,
      mode: 0o644,
      content: Buffer.from(String(i)),
    }))
    await one.writeFiles(many)
    const found = await one.readFiles(['n'], 1 << 20)
    assert.equal(found.length, 1000)
    assert.ok(found.every((file) => file.path === `n/${file.content}`))
  })

  test('what the user could not write or hold is refused with a reason', async () => {
    const one = await make()
    const content = Buffer.from('x')
    for (const path of ['/etc/passwd', '/proc/self/mem', '/opt/cloche/init']) {
      await assert.rejects(one.writeFiles([{ path, mode: 0o644, content }]), (error) =>
        isClocheError(error, 'files_refused'),
      )
    }
    const tooBig = { path: 'big', mode: 0o644, content: Buffer.alloc(SUITE_LIMITS.diskBytes + 1) }
    await assert.rejects(one.writeFiles([tooBig]), (error) => isClocheError(error, 'files_refused'))
    assert.equal((await sh(one, 'echo alive')).stdout, 'alive\n')
  })

  test('what is no file is not read: devices, pipes', async () => {
    const one = await make()
    await sh(one, 'mkfifo pipe')
    const found = await within(one.readFiles(['/dev/zero', 'pipe'], 1 << 20), 5000, 'the answer')
    assert.deepEqual(
      found.map((file) => file.content),
      [null, null],
    )
  })

  test('more than the limit is refused, however it is spread over files', async () => {
    const one = await make()
    await sh(one, 'head -c 600000 /dev/zero > a; head -c 600000 /dev/zero > b')
    assert.equal((await one.readFiles(['a'], 1 << 20))[0]?.content?.length, 600_000)
    await assert.rejects(one.readFiles(['a', 'b'], 1 << 20), (error) =>
      isClocheError(error, 'output_limit_exceeded'),
    )
    assert.equal(one.endReason, undefined)
  })
}

export function trees(make: Make): void {
  test('a tree comes out whole, folders before their content and links as links, at the pace of who takes it', async () => {
    const one = await make()
    await sh(one, 'mkdir -p t/a; head -c 3000000 /dev/zero > t/a/big; chmod 700 t/a/big; ln -s a/big t/link')
    const parts: string[] = []
    let bytes = 0
    await one.readTree('t', async (part) => {
      if (part.kind !== 'content') parts.push(`${part.kind} ${part.path}`)
      else if ((bytes += part.chunk.length) % 5 === 0) await new Promise(setImmediate)
    })
    assert.deepEqual(parts.sort(), ['file t/a/big', 'folder t', 'folder t/a', 'link t/link'])
    assert.equal(bytes, 3_000_000)
    const enough = new Error('enough')
    await assert.rejects(
      one.readTree('t', async () => {
        throw enough
      }),
      enough,
    )
    assert.equal((await sh(one, 'echo alive')).stdout, 'alive\n')
  })
}
