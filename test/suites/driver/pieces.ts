/* What the parts of the driver suite share. */
import type { ExecArgv, Limits, Process, Sandbox, SandboxSpec } from '../../../src/sandbox/driver.ts'
import { within } from '../../support/eventually.ts'

export const SUITE_LIMITS: Limits = {
  memoryBytes: 256 << 20,
  cpuMillis: 1000,
  pids: 128,
  diskBytes: 64 << 20,
  inodes: 8192,
}

export const SPEC: SandboxSpec = { runtime: 'bare', layers: [], limits: SUITE_LIMITS, network: 'none' }

export interface Ran {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
  readonly signal: string | null
}

export function command(argv: readonly string[], more: Partial<ExecArgv> = {}): ExecArgv {
  return { kind: 'argv', argv, env: { PATH: '/usr/bin:/bin' }, cwd: '/workspace', stdin: false, ...more }
}

/** Collects what a program says until it ends. */
export async function finish(process: Process): Promise<Ran> {
  const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
  process.onOutput((stream, chunk) => chunks[stream].push(chunk))
  const { code, signal } = await within(process.exited, 20_000, 'the program ends')
  const text = (stream: 'stdout' | 'stderr'): string => Buffer.concat(chunks[stream]).toString()
  return { stdout: text('stdout'), stderr: text('stderr'), code, signal }
}

export const sh = (sandbox: Sandbox, script: string): Promise<Ran> =>
  finish(sandbox.exec(command(['sh', '-c', script])))

/** A sandbox of the suite's own, destroyed at its end. */
export type Make = (over?: Partial<SandboxSpec>) => Promise<Sandbox>
