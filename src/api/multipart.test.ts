import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { openBlobFolder } from '../blobs/folder.ts'
import { asClocheError } from '../model/errors.ts'
import { http } from './kernel/node-http.ts'
import { type Form, readForm } from './multipart.ts'

const folder = mkdtempSync(join(tmpdir(), 'cloche-form-'))
const blobs = await openBlobFolder(folder)
const limits = {
  body: { maxBytes: 10_000, idleMs: 200, totalMs: 500 },
  fileBytes: 100_000,
  totalBytes: 150_000,
  totalMs: 1000,
}
let read: Promise<Form> = Promise.reject(new Error('nothing yet'))
read.catch(() => {})
const server = http.createServer(async (incoming, outgoing) => {
  read = readForm(incoming, blobs, limits)
  await read.catch(() => {})
  outgoing.end('read')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
after(() => {
  server.close()
  server.closeAllConnections()
  rmSync(folder, { recursive: true })
})

async function send(parts: Record<string, string | Blob>): Promise<Form> {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts)) {
    if (typeof value === 'string') form.set(name, value)
    else form.set(name, value, name)
  }
  await (await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: form })).text()
  return read
}

const problem = (form: Promise<Form>): Promise<string> =>
  form.then(
    () => 'none',
    (error) => asClocheError(error).code,
  )

test('the request and its files arrive, the files as blobs under their paths', async () => {
  const form = await send({
    request: '{"a":1}',
    'in/big.bin': new Blob([Buffer.alloc(70_000, 3)]),
    'ü.txt': new Blob(['x']),
  })
  assert.deepEqual(form.request, { a: 1 })
  assert.deepEqual(
    form.files.map(({ path, mode }) => [path, mode]),
    [
      ['in/big.bin', 0o644],
      ['ü.txt', 0o644],
    ],
  )
  const [big] = form.files
  assert.ok(big !== undefined && 'blob' in big)
  assert.deepEqual(await blobs.get(big.blob), Buffer.alloc(70_000, 3))
})

test('the request may be a part with a content type of its own', async () => {
  const form = await send({ request: new Blob(['{"a":2}'], { type: 'application/json' }) })
  assert.deepEqual([form.request, form.files], [{ a: 2 }, []])
})

test('what lies about itself, leads elsewhere or is too large is refused', async () => {
  assert.equal(await problem(send({ other: 'x' })), 'invalid_request')
  assert.equal(await problem(send({ 'a.bin': new Blob(['x']) })), 'invalid_request')
  assert.equal(await problem(send({ request: '{' })), 'invalid_json')
  assert.equal(await problem(send({ request: '{}', '../x': new Blob(['x']) })), 'invalid_request')
  assert.equal(
    await problem(send({ request: '{}', a: new Blob([Buffer.alloc(100_001)]) })),
    'payload_too_large',
  )
  const two = { request: '{}', a: new Blob([Buffer.alloc(90_000)]), b: new Blob([Buffer.alloc(90_000)]) }
  assert.equal(await problem(send(two)), 'payload_too_large')
})

async function raw(text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n${text}`)
  await once(socket.resume(), 'data')
  socket.destroy()
  return problem(read)
}

test('a form that stops in the middle is given up, and nothing half-written stays', async () => {
  const head = '--b\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\nhalf'
  assert.equal(await raw(`content-length: 5000\r\n\r\n${head}`), 'request_timeout')
  assert.equal(await raw(`content-length: ${head.length}\r\n\r\n${head}`), 'invalid_request')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.deepEqual(readdirSync(join(folder, 'incoming')), [])
})
