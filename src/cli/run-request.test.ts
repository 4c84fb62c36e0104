import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { CliError } from './failure.ts'
import { languageOf, outputPlace, type RunFlags, requestFor } from './run-request.ts'

const none: RunFlags = { env: [], file: [], output: [] }

test('flags become the request, in the units of the API', () => {
  const request = requestFor(['a', 'b'], {
    ...none,
    eval: 'print(1)',
    language: 'python',
    timeout: '1.5m',
    memory: '1g',
    cpu: '0.5',
    network: 'example.com, 203.0.113.0/24',
    mode: 'cached',
    env: ['A=1=2'],
    output: ['out/plot.png'],
  })
  assert.deepEqual(request, {
    code: 'print(1)',
    language: 'python',
    args: ['a', 'b'],
    env: { A: '1=2' },
    outputs: ['out/plot.png'],
    timeoutMs: 90_000,
    resources: { cpuCores: 0.5, memoryMb: 1024 },
    network: { allow: ['example.com', '203.0.113.0/24'] },
    mode: 'cached',
  })
})

test('a file is read, its language told by its name, and what follows are its arguments', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-cli-'))
  try {
    const program = join(folder, 'program.ts')
    writeFileSync(program, 'console.log(1)')
    const request = requestFor([program, '--flag'], { ...none, file: [`${program}:lib/copy.ts`] })
    assert.equal(request.language, 'typescript')
    assert.equal(request.code, 'console.log(1)')
    assert.deepEqual(request.args, ['--flag'])
    assert.deepEqual(Object.keys(request.files ?? {}), ['lib/copy.ts'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('--command runs the words themselves', () => {
  assert.deepEqual(requestFor(['ls', '-l'], { ...none, command: true }), { command: ['ls', '-l'] })
})

test('a name without an ending is judged by its first line', () => {
  assert.equal(languageOf('tool', '#!/usr/bin/env python3\n'), 'python')
  assert.equal(languageOf('tool', '#!/bin/sh\n'), 'shell')
  assert.throws(() => languageOf('tool', 'hello'), CliError)
})

test('an output comes back under its own name unless another is given', () => {
  assert.deepEqual(outputPlace('out/plot.png'), { remote: 'out/plot.png', local: 'plot.png' })
  assert.deepEqual(outputPlace('out:here'), { remote: 'out', local: 'here' })
})

for (const [title, words, flags] of [
  ['nothing to run', [], {}],
  ['code without a language', [], { eval: 'x' }],
  ['an unknown language', [], { eval: 'x', language: 'cobol' }],
  ['a duration without a unit', [], { eval: 'x', language: 'bash', timeout: '30' }],
  ['a size that is none', [], { eval: 'x', language: 'bash', memory: 'much' }],
  ['a variable that is not set here', [], { eval: 'x', language: 'bash', env: ['CLOCHE_TEST_NOT_SET'] }],
  ['a file that is not there', ['no/such/file.py'], {}],
] as const) {
  test(`${title} is refused with what to write instead`, () => {
    assert.throws(
      () => requestFor(words, { ...none, ...flags }),
      (error) => error instanceof CliError && error.exitCode === 2 && error.hint !== '',
    )
  })
}
