/** Files sent in with a request and files or images brought back with its answer. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, test } from 'node:test'
import { type ExecutionResult, expectError } from '../support/client.ts'
import { seeded } from '../support/seeded.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
after(() => server.stop())

function outputBytes(result: ExecutionResult, path: string): Buffer {
  const output = result.outputs?.[path]
  assert.ok(output !== undefined, `no output ${path}: ${JSON.stringify(result.outputs)}`)
  const bytes =
    output.base64 === undefined ? Buffer.from(output.text ?? '') : Buffer.from(output.base64, 'base64')
  assert.equal(output.size, bytes.length)
  return bytes
}

test('files arrive with their bytes, folders and modes, owned by the user', async () => {
  const binary = seeded(7).bytes(100_000)
  const result = await admin.execute({
    language: 'bash',
    code: './run.sh && stat -c "%a %U" run.sh && cat a/b/c.txt && sha256sum < data.bin && echo more >> a/b/c.txt && echo ok',
    files: {
      'a/b/c.txt': 'nested ✓\n',
      'data.bin': { base64: binary.toString('base64') },
      'run.sh': { text: '#!/bin/sh\necho ran\n', mode: 0o755 },
    },
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  assert.match(result.stdout, /^ran\n755 user\nnested ✓\n/)
  assert.match(result.stdout, new RegExp(createHash('sha256').update(binary).digest('hex')))
  assert.match(result.stdout, /ok\n$/)
})

test('a program sent as files runs with its own imports', async () => {
  const python = await admin.execute({
    command: ['python3', 'app.py'],
    files: {
      'app.py': 'from lib.words import word\nprint(word)',
      'lib/words.py': 'word = "imported"',
      'lib/__init__.py': '',
    },
  })
  assert.equal(python.stdout, 'imported\n')
  const inline = await admin.execute({
    language: 'python',
    code: 'from helper import value\nprint(value)',
    files: { 'helper.py': 'value = 5' },
  })
  assert.equal(inline.stdout, '5\n', inline.stderr)
  const node = await admin.execute({
    language: 'javascript',
    code: 'import { value } from "./helper.mjs"; console.log(value)',
    files: { 'helper.mjs': 'export const value = 6' },
  })
  assert.equal(node.stdout, '6\n', node.stderr)
})

test('outputs bring back text, images and missing files truthfully', async () => {
  const code = `
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\\0" + bytes([x, 0, 255 - x]) * 16 for x in range(16))
png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
open("plot.png", "wb").write(png)
open("/tmp/report.txt", "w").write("done ✓")
open("empty", "w")
`
  const result = await admin.execute({
    language: 'python',
    code,
    outputs: ['plot.png', '/tmp/report.txt', 'empty', 'never-written.csv'],
  })
  assert.equal(result.status, 'succeeded', result.stderr)
  const image = outputBytes(result, 'plot.png')
  assert.deepEqual(image.subarray(0, 8), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))
  assert.equal(image.readUInt32BE(16), 16)
  assert.equal(outputBytes(result, '/tmp/report.txt').toString(), 'done ✓')
  assert.equal(outputBytes(result, 'empty').length, 0)
  assert.deepEqual(result.outputs?.['never-written.csv'], { missing: true })
})

test('outputs come back after a failure too', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'echo partial > result.txt; exit 3',
    outputs: ['result.txt'],
  })
  assert.equal(result.exitCode, 3)
  assert.equal(outputBytes(result, 'result.txt').toString(), 'partial\n')
})

test('a large binary file makes the round trip through multipart', async () => {
  const bytes = seeded(11).bytes(3 * 1024 * 1024)
  const boundary = 'cloche-test-boundary'
  const request = {
    command: ['sh', '-c', 'sha256sum < in/big.bin; cp in/big.bin out.bin'],
    outputs: ['out.bin'],
  }
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="request"\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(request)}\r\n` +
        `--${boundary}\r\ncontent-disposition: form-data; name="in/big.bin"; filename="big.bin"\r\n` +
        'content-type: application/octet-stream\r\n\r\n',
    ),
    bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ])
  const reply = await admin.call('POST', '/api/v1/execute', {
    body,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  })
  assert.equal(reply.status, 200, reply.text.slice(0, 1000))
  const result = reply.json() as unknown as ExecutionResult // the route's documented answer
  assert.match(result.stdout, new RegExp(createHash('sha256').update(bytes).digest('hex')), result.stderr)
  assert.ok(outputBytes(result, 'out.bin').equals(bytes))
})

test('file paths that are absurd are refused before anything runs', async () => {
  for (const path of ['', '/', '..', 'a/../../etc/passwd', 'a\0b', 'x'.repeat(5000)]) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', files: { [path]: 'x' } },
    })
    expectError(reply, 400)
  }
})

test('many small files arrive', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 500 }, (_, index) => [`many/${index}.txt`, `${index}`]),
  )
  const result = await admin.execute({ language: 'bash', code: 'ls many | wc -l; cat many/499.txt', files })
  assert.equal(result.stdout.replaceAll(/\s+/g, ' ').trim(), '500 499')
})
