import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import test from 'node:test'
import { mayRun, sanitized } from './stage.ts'

const skip = mayRun || (sanitized && 'this is that run')

test('all of it also holds for the build with address and undefined-behaviour sanitizers', { skip }, () => {
  const files = globSync('*.test.ts', { cwd: import.meta.dirname })
  const others = files.filter((file) => file !== 'sanitized.test.ts')
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const run = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...others], {
    cwd: import.meta.dirname,
    env: { ...env, INIT_UNDER_TEST: 'asan' },
    encoding: 'utf8',
  })
  assert.equal(run.status, 0, run.stdout.slice(-4000) + run.stderr.slice(-4000))
})
