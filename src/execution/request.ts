import type { NetworkRequest } from '../egress/policy.ts'
import type { EnvironmentSpec } from '../model/environment.ts'
import type { Language, Mode } from '../model/execution.ts'
import type { BlobHash } from '../model/ids.ts'
import type { ResourceLimits } from '../model/limits.ts'
import type { TerminalSize } from '../sandbox/driver.ts'

export type Program =
  | {
      readonly kind: 'code'
      readonly language: Language
      readonly code: string
      readonly args: readonly string[]
    }
  | { readonly kind: 'command'; readonly argv: readonly string[] }

export type InputFile = { readonly path: string; readonly mode: number } & (
  | { readonly content: Buffer }
  /** Uploaded, and on disk already. */
  | { readonly blob: BlobHash; readonly bytes: number }
)

/** A request as it is carried out: complete, checked, defaults filled in. What the API's spellings were is forgotten. */
export interface ExecutionRequest {
  readonly program: Program
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Everything the program reads, unless `interactive`: then what it reads first. */
  readonly stdin: Buffer | null
  /** Input goes on arriving after the start. */
  readonly interactive: boolean
  readonly pty: TerminalSize | null
  readonly files: readonly InputFile[]
  readonly outputs: readonly string[]
  readonly limits: ResourceLimits
  readonly timeoutMs: number
  readonly network: NetworkRequest
  readonly mode: Extract<Mode, 'ephemeral' | 'cached'>
  readonly environment: { readonly name: string } | { readonly spec: EnvironmentSpec } | null
  /** How long the result may answer equal requests; null: not at all, nor may an earlier one answer this. */
  readonly resultTtlMs: number | null
  readonly idempotencyKey: string | null
}

export const DEFAULT_CWD = '/workspace'

/** As JSON, for an accepted request that must outlive the server. */
export function requestToJson(request: ExecutionRequest): string {
  const files = request.files.map((file) =>
    'content' in file ? { ...file, content: file.content.toString('base64') } : file,
  )
  return JSON.stringify({ ...request, stdin: request.stdin?.toString('base64') ?? null, files })
}

/** Only ever reads what `requestToJson` wrote. */
export function requestFromJson(json: string): ExecutionRequest {
  const stored = JSON.parse(json) as Omit<ExecutionRequest, 'stdin' | 'files'> & {
    stdin: string | null
    files: Array<{ path: string; mode: number } & ({ content: string } | { blob: BlobHash; bytes: number })>
  }
  const files = stored.files.map((file) =>
    'content' in file ? { ...file, content: Buffer.from(file.content, 'base64') } : file,
  )
  return { ...stored, stdin: stored.stdin === null ? null : Buffer.from(stored.stdin, 'base64'), files }
}
