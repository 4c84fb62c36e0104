/**
 * How the abuse suite works: each case is user code sent over the public API, which tries something and prints one line
 * for each attempt. `attempt` in the Python prelude prints the errno's name, so a test asserts the exact refusal.
 */
import assert from 'node:assert/strict'
import type { Client, ExecutionResult } from './client.ts'

/** Python that user code starts with: raw system calls by number, and one printed verdict for each attempt. */
export const prelude = `
import ctypes, errno, os, sys, struct, socket, time, signal
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_void_p(a) if isinstance(a, int) else a for a in args])
    return result, ctypes.get_errno()
def name(code): return errno.errorcode.get(code, str(code)) if code else "OK"
def attempt(what, action):
    try:
        result = action()
        if isinstance(result, tuple) and len(result) == 2 and result[0] == -1: print(what, name(result[1]), flush=True)
        else: print(what, "DONE", repr(result)[:200], flush=True)
    except OSError as e: print(what, name(e.errno), flush=True)
def syscall(what, number, *args): attempt(what, lambda: call(number, *args))
`

export type Verdicts = ReadonlyMap<string, string>

export function verdictsIn(result: ExecutionResult): Verdicts {
  const verdicts = new Map<string, string>()
  for (const line of result.stdout.split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) verdicts.set(line.slice(0, space), line.slice(space + 1))
  }
  return verdicts
}

export async function attack(client: Client, code: string, request: object = {}): Promise<Verdicts> {
  const result = await client.execute({
    language: 'python',
    code: prelude + code,
    timeoutMs: 20_000,
    ...request,
  })
  assert.equal(
    result.status,
    'succeeded',
    `${result.status} ${result.signal}: ${result.stdout}${result.stderr}`,
  )
  return verdictsIn(result)
}

/** Asserts that every attempt was refused, each with one of the given errno names. */
export function assertRefused(
  verdicts: Verdicts,
  allowed: readonly string[],
  expectedAttempts: number,
): void {
  assert.ok(verdicts.size >= expectedAttempts, `only ${verdicts.size} attempts were made: ${[...verdicts]}`)
  for (const [what, verdict] of verdicts) {
    assert.ok(allowed.includes(verdict), `${what}: ${verdict} (expected ${allowed.join(' or ')})`)
  }
}

export function assertVerdicts(
  verdicts: Verdicts,
  expected: Readonly<Record<string, string | readonly string[]>>,
): void {
  for (const [what, allowed] of Object.entries(expected)) {
    const verdict = verdicts.get(what)
    const list = typeof allowed === 'string' ? [allowed] : allowed
    assert.ok(
      verdict !== undefined && list.includes(verdict),
      `${what}: ${verdict} (expected ${list.join(' or ')})`,
    )
  }
}
