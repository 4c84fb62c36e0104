import assert from 'node:assert/strict'
import test from 'node:test'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { fingerprint } from './fingerprint.ts'
import type { ExecutionRequest } from './request.ts'

const request: ExecutionRequest = {
  program: { kind: 'command', argv: ['a', 'b'] },
  env: { A: '1', B: '2' },
  cwd: '/workspace',
  stdin: Buffer.from('x'),
  interactive: false,
  pty: null,
  files: [{ path: 'f', mode: 0o644, content: Buffer.from('y') }],
  outputs: [],
  limits: DEFAULT_LIMITS,
  timeoutMs: 1000,
  network: 'none',
  mode: 'ephemeral',
  environment: null,
  resultTtlMs: 1,
  idempotencyKey: 'k',
}

test('equal requests hash equal, whatever the order of keys, the idempotency key and the time to live', () => {
  const other = { ...request, env: { B: '2', A: '1' }, idempotencyKey: null, resultTtlMs: 9 }
  assert.equal(fingerprint(request), fingerprint(other))
})

test('whatever decides the outcome changes the hash', () => {
  const changes: Partial<ExecutionRequest>[] = [
    { program: { kind: 'command', argv: ['ab'] } },
    { program: { kind: 'command', argv: ['a', 'b', ''] } },
    { env: { A: '1' } },
    { env: { A: '1B', '': '2' } },
    { stdin: null },
    { stdin: Buffer.from('y') },
    { cwd: '/tmp' },
    { files: [] },
    { files: [{ path: 'f', mode: 0o755, content: Buffer.from('y') }] },
    { outputs: ['f'] },
    { limits: { ...DEFAULT_LIMITS, pids: 3 } },
    { timeoutMs: 1001 },
    { network: 'all' },
    { mode: 'cached' },
    { environment: { name: 'x' } },
  ]
  const hashes = changes.map((change) => fingerprint({ ...request, ...change }))
  hashes.push(
    fingerprint(request),
    fingerprint(request, { tenant: 'a' }),
    fingerprint(request, { tenant: 'b' }),
  )
  assert.equal(new Set(hashes).size, hashes.length)
})
