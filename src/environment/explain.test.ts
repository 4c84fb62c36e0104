import assert from 'node:assert/strict'
import test from 'node:test'
import { explain, type FailedStep } from './explain.ts'

function reason(tool: FailedStep['tool'], output: string, over: Partial<FailedStep> = {}): string {
  const exit = { code: 1, signal: null }
  return explain({
    tool,
    output,
    exit,
    outOfMemory: false,
    allowInstallScripts: true,
    diskBytes: 2 ** 31,
    ...over,
  })
}

const NO_PACKAGE = `ERROR: Could not find a version that satisfies the requirement nunpy (from versions: none)
ERROR: No matching distribution found for nunpy\n`

test('the usual reasons are told in words that say what to do', () => {
  assert.equal(reason('pip', NO_PACKAGE), 'pip found no package "nunpy"; check its name')
  assert.match(
    reason('pip', NO_PACKAGE, { allowInstallScripts: false }),
    /built for this platform; .* set allowInstallScripts/,
  )
  assert.equal(
    reason(
      'pip',
      'ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1.0, 2.0)',
    ),
    'pip found no such version of "x==9"; there are 1.0, 2.0',
  )
  assert.match(
    reason(
      'pip',
      `WARNING: Retrying … NewConnectionError('…: [Errno 111] Connection refused')\n${NO_PACKAGE}`,
    ),
    /index could not be reached by pip; .*pipIndexUrl/,
  )
  assert.match(
    reason('npm', 'npm error code ECONNREFUSED\n'),
    /index could not be reached by npm; .*npmRegistry/,
  )
  assert.match(reason('npm', 'npm error code ENOTFOUND\n'), /could not be reached/)
  const missing =
    "npm error code E404\nnpm error 404 Not Found - GET http://x/@s%2fa\nnpm error 404  The requested resource '@s/a@*' could not be found or"
  assert.equal(reason('npm', missing), 'npm found no package "@s/a"; check its name')
  assert.equal(
    reason('npm', "npm error code E404\nnpm error 404  'a@1' is not in this registry."),
    'npm found no package "a"; check its name',
  )
  const version =
    'npm error code ETARGET\nnpm error notarget No matching version found for left@7.\nnpm error'
  assert.equal(reason('npm', version), 'npm found no such version: "left@7"; check the version')
  assert.match(reason('pip', 'OSError: [Errno 28] No space left on device'), /too large: .* 2 GiB/)
  assert.match(reason('npm', 'npm error code ERESOLVE'), /do not go together/)
  assert.match(reason('pip', 'ERROR: ResolutionImpossible: …'), /do not go together/)
  assert.match(reason('pip', '', { outOfMemory: true }), /out of memory/)
})

test('what is not known is told in the tool’s own last words, short and without control characters', () => {
  assert.equal(
    reason('pip', 'a\nERROR: the \u001b[31mreal\u0007 one\n[notice] later\n'),
    'pip exited with 1: ERROR: the [31mreal one',
  )
  assert.equal(reason('npm', '', { exit: { code: null, signal: 'SIGKILL' } }), 'npm was ended by SIGKILL')
  assert.ok(reason('pip', 'x'.repeat(100_000)).length < 700)
})
