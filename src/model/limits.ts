const MIB = 1024 ** 2

/** What one execution may use; every field is enforced by the kernel or by the host, never by what runs inside. */
export interface ResourceLimits {
  readonly cpuMillis: number
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly pids: number
}

export const DEFAULT_LIMITS: ResourceLimits = {
  cpuMillis: 1000,
  memoryBytes: 256 * MIB,
  diskBytes: 256 * MIB,
  pids: 128,
}

/** A server's own settings may lower these; the machine's size may too. */
export const MAX_LIMITS: ResourceLimits = {
  cpuMillis: 64_000,
  memoryBytes: 64 * 1024 * MIB,
  diskBytes: 64 * 1024 * MIB,
  pids: 32_768,
}

/** Below these a runtime does not even start. */
export const MIN_LIMITS: ResourceLimits = {
  cpuMillis: 10,
  memoryBytes: 16 * MIB,
  diskBytes: 1 * MIB,
  pids: 2,
}

export const DEFAULT_TIMEOUT_MS = 30_000
export const MAX_TIMEOUT_MS = 3_600_000

/** Sizes of a request's parts. `bodyBytes` bounds JSON; multipart files stream and are bounded by the disk limit. */
export const REQUEST_LIMITS = {
  bodyBytes: 32 * MIB,
  codeBytes: 8 * MIB,
  stdinBytes: 16 * MIB,
  args: 1024,
  envEntries: 512,
  files: 1024,
  outputs: 64,
  pathBytes: 1024,
} as const

/** What is kept of a stream: up to `answerBytes` is in the answer, up to `keptBytes` in the logs; the rest is dropped and said so. */
export const OUTPUT_LIMITS = {
  answerBytes: 1 * MIB,
  keptBytes: 64 * MIB,
  /** Output up to this size lives in the record itself; more goes to a blob. */
  inlineBytes: 4096,
} as const
