import assert from 'node:assert/strict'
import test from 'node:test'
import { executeRequest } from './execute-request.ts'
import { problemsOf } from './schema.ts'
import { normaliseExecute } from './spelling.ts'

function normalised(body: unknown): unknown {
  const problems: Parameters<typeof normaliseExecute>[1] = []
  const result = normaliseExecute(body, problems)
  assert.deepEqual(problems, [])
  // Without prototypes nothing compares equal.
  return JSON.parse(JSON.stringify(result))
}

test('the seed README spellings become the one spelling', () => {
  assert.deepEqual(normalised({ code: 'x', language: 'python', timeout_ms: 5, env_vars: { A_B: '1' } }), {
    code: 'x',
    language: 'python',
    timeoutMs: 5,
    env: { A_B: '1' },
  })
  assert.deepEqual(normalised({ mode: 'persistent', resources: { cpu_cores: 2, memory_mb: 4096 } }), {
    mode: 'persistent',
    resources: { cpuCores: 2, memoryMb: 4096 },
  })
  assert.deepEqual(normalised({ checkpoint_after: true, parent_snapshot: 'snap_1' }), {
    checkpointAfter: true,
    parentSnapshot: 'snap_1',
  })
})

test('the later seed spellings (flat resources, pairs, working_dir, seconds) become the one spelling', () => {
  const body = { memory_mb: 64, cpu_cores: 1, env_vars: [['A', '1']], working_dir: '/tmp', timeout_secs: 2 }
  assert.deepEqual(normalised(body), {
    resources: { memoryMb: 64, cpuCores: 1 },
    env: { A: '1' },
    cwd: '/tmp',
    timeoutMs: 2000,
  })
  assert.deepEqual(normalised({ resources: { diskGb: 1, timeoutMs: 7 } }), {
    resources: { diskMb: 1024 },
    timeoutMs: 7,
  })
})

test('keys the caller named are left alone', () => {
  const body = { env: { my_var: 'x' }, files: { 'some_file.txt': 'y' } }
  assert.deepEqual(normalised(body), body)
})

test('two spellings that say different things are a problem, the same thing twice is not', () => {
  const problems: Parameters<typeof normaliseExecute>[1] = []
  normaliseExecute({ timeoutMs: 1, timeout_ms: 2, memory_mb: 3, resources: { memoryMb: 4 } }, problems)
  assert.deepEqual(
    problems.map((one) => one.path),
    ['timeout_ms', 'memoryMb'],
  )
  normalised({ timeoutMs: 1, timeout_ms: 1 })
})

test('unknown keys survive normalising and are refused as they were written', () => {
  const result = normaliseExecute({ code: 'x', language: 'bash', Time_Out: 1, gpuCount: 1 }, [])
  assert.deepEqual(
    problemsOf(executeRequest, result).map((one) => one.path),
    ['Time_Out', 'gpuCount'],
  )
})

test('a request needs code with its language, or a command', () => {
  const messages = (body: unknown): string[] => problemsOf(executeRequest, body).map((one) => one.path)
  assert.deepEqual(messages({}), [''])
  assert.deepEqual(messages({ code: 'x' }), ['language'])
  assert.deepEqual(messages({ code: 'x', language: 'bash', command: ['ls'] }), ['command'])
  assert.deepEqual(messages({ command: ['ls'], args: ['x'] }), ['args'])
  assert.deepEqual(messages({ command: ['ls', '-l'], files: { '/tmp/x': { base64: 'AA==' } } }), [])
  assert.deepEqual(
    messages({ command: ['ls'], files: { a: { base64: '*' }, b: {}, 'c\0': '', 'd/../e': '' } }),
    ['files.a.base64', 'files.b', 'files["c\\u0000"]', 'files["d/../e"]'],
  )
})
