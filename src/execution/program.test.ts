import assert from 'node:assert/strict'
import test from 'node:test'
import { DEFAULT_LIMITS } from '../model/limits.ts'
import { runtimeOf, startOf } from './program.ts'
import { type ExecutionRequest, type Program, requestFromJson, requestToJson } from './request.ts'

function request(program: Program, rest: Partial<ExecutionRequest> = {}): ExecutionRequest {
  return {
    program,
    env: { A: '1' },
    cwd: '/workspace',
    stdin: null,
    interactive: false,
    pty: null,
    files: [],
    outputs: [],
    limits: DEFAULT_LIMITS,
    timeoutMs: 1000,
    network: 'none',
    mode: 'ephemeral',
    environment: null,
    resultTtlMs: null,
    idempotencyKey: null,
    ...rest,
  }
}

const python: Program = { kind: 'code', language: 'python', code: 'print(1)', args: ['x'] }

test('python and node code becomes a job of the warm interpreter, with fresh randomness for each', () => {
  assert.equal(runtimeOf(python), 'python')
  const first = startOf(request(python), 'python', false).exec
  const second = startOf(request(python), 'python', true).exec
  assert.ok(first.kind === 'job' && second.kind === 'job')
  assert.deepEqual(
    [first.job.code, first.job.args, first.job.env, first.keep],
    ['print(1)', ['x'], { A: '1' }, false],
  )
  assert.equal(second.keep, true)
  assert.match(first.job.seed, /^[0-9a-f]{64}$/)
  assert.notEqual(first.job.seed, second.job.seed)
})

test('without a warm interpreter the same code is started the ordinary way', () => {
  const { exec, files } = startOf(request(python), 'bare', false)
  assert.ok(exec.kind === 'argv')
  assert.deepEqual(exec.argv, ['python3', '/workspace/main.py', 'x'])
  assert.deepEqual(
    files.map((file) => file.path),
    ['/workspace/main.py'],
  )
})

test('shell code is one argument, so nothing in it is quoted or split; large code is a file', () => {
  const shell: Program = { kind: 'code', language: 'bash', code: 'echo "$@"', args: ['a b'] }
  const small = startOf(request(shell), 'bare', false).exec
  assert.deepEqual(small.kind === 'argv' && small.argv, ['bash', '-c', 'echo "$@"', 'bash', 'a b'])
  const large = startOf(request({ ...shell, code: 'x'.repeat(100_000) }), 'bare', false)
  assert.deepEqual(large.exec.kind === 'argv' && large.exec.argv, ['bash', '/workspace/main.sh', 'a b'])
  assert.equal(large.files.length, 1)
})

test('large code of a warm interpreter goes in as a file', () => {
  const { exec, files } = startOf(request({ ...python, code: 'x'.repeat(1_000_000) }), 'python', false)
  assert.ok(exec.kind === 'job')
  assert.deepEqual([exec.job.code, exec.job.file, files.length], [null, '/workspace/main.py', 1])
})

test('stdin is open when there is input or more to come', () => {
  assert.equal(startOf(request(python), 'python', false).exec.stdin, false)
  assert.equal(startOf(request(python, { stdin: Buffer.from('x') }), 'python', false).exec.stdin, true)
  assert.equal(startOf(request(python, { interactive: true }), 'python', false).exec.stdin, true)
})

test('a request survives its trip through the store unchanged', () => {
  const full = request(python, {
    stdin: Buffer.from([0, 255]),
    files: [{ path: 'a', mode: 0o644, content: Buffer.from([1, 2]) }],
    network: { allow: ['a.dev'] },
  })
  assert.deepEqual(requestFromJson(requestToJson(full)), full)
})
