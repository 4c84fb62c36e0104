/** What a warm interpreter is asked to run. The guest's README of each runtime says what it does with it. */
export interface RuntimeJob {
  readonly language: 'python' | 'javascript' | 'typescript'
  /** The program's text, or null when `file` names it. */
  readonly code: string | null
  readonly file: string | null
  readonly args: readonly string[]
  /** Exactly these beside the runtime's few defaults. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** 32 fresh random bytes in hex: no two copies of one interpreter may share random state. */
  readonly seed: string
}

export function encodeJob(job: RuntimeJob): Buffer {
  return Buffer.from(JSON.stringify(job), 'utf8')
}
