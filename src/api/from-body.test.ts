import assert from 'node:assert/strict'
import test from 'node:test'
import { isClocheError } from '../model/errors.ts'
import { DEFAULT_LIMITS, MAX_LIMITS } from '../model/limits.ts'
import { requestFromBody } from './from-body.ts'

const ceilings = { limits: MAX_LIMITS, timeoutMs: 3_600_000 }

test('what is left out has its default', () => {
  const request = requestFromBody({ code: 'x', language: 'python' }, ceilings)
  assert.deepEqual(request, {
    program: { kind: 'code', language: 'python', code: 'x', args: [] },
    env: {},
    cwd: '/workspace',
    stdin: null,
    interactive: false,
    pty: null,
    files: [],
    outputs: [],
    limits: DEFAULT_LIMITS,
    timeoutMs: 30_000,
    network: 'none',
    mode: 'ephemeral',
    environment: null,
    resultTtlMs: null,
    idempotencyKey: null,
  })
})

test('text and base64 become the same bytes, and modes are kept', () => {
  const request = requestFromBody(
    {
      command: ['x'],
      stdin: { base64: 'AP8=' },
      files: { a: 'ü', b: { base64: 'AP8=', mode: 0o755 }, c: { text: '' } },
    },
    ceilings,
  )
  assert.deepEqual(request.stdin, Buffer.from([0, 255]))
  assert.deepEqual(request.files, [
    { path: 'a', mode: 0o644, content: Buffer.from('ü') },
    { path: 'b', mode: 0o755, content: Buffer.from([0, 255]) },
    { path: 'c', mode: 0o644, content: Buffer.alloc(0) },
  ])
})

test("more than this server's ceiling is refused with the ceiling, and defaults stay below it", () => {
  const low = { limits: { ...MAX_LIMITS, memoryBytes: 64 << 20, cpuMillis: 500 }, timeoutMs: 1000 }
  assert.throws(
    () => requestFromBody({ command: ['x'], resources: { memoryMb: 65 } }, low),
    (error) => isClocheError(error, 'limit_too_high') && /memoryMb is 65.* 64 /.test(error.detail),
  )
  const request = requestFromBody({ command: ['x'] }, low)
  assert.deepEqual(
    [request.limits.memoryBytes, request.limits.cpuMillis, request.timeoutMs],
    [64 << 20, 500, 1000],
  )
})

test('modes that do not exist yet are refused, also when only their own keys are given', () => {
  for (const body of [
    { mode: 'persistent' as const },
    { checkpointAfter: true },
    { parentSnapshot: 'snap_1' },
  ]) {
    assert.throws(
      () => requestFromBody({ command: ['x'], ...body }, ceilings),
      (error) => isClocheError(error, 'mode_not_available'),
    )
  }
})

test('the result cache is off, on for an hour, or on for as long as said', () => {
  const ttl = (resultCache: boolean | { ttlMs?: number }) =>
    requestFromBody({ command: ['x'], resultCache }, ceilings).resultTtlMs
  assert.deepEqual([ttl(false), ttl(true), ttl({}), ttl({ ttlMs: 5 })], [null, 3_600_000, 3_600_000, 5])
})
