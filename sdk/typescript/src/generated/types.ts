// Made from the OpenAPI document (src/api) by scripts/generate; a test fails when the two differ.

export interface Accepted {
  readonly executionId: string
  readonly status:
    | 'accepted'
    | 'queued'
    | 'running'
    | 'succeeded'
    | 'failed'
    | 'timeout'
    | 'oom'
    | 'killed'
    | 'cancelled'
    | 'error'
}

export interface Environment {
  readonly environmentId: string
  readonly name: string | null
  readonly spec: EnvironmentSpec
  readonly status: 'pending' | 'building' | 'ready' | 'failed'
  readonly layerBytes: number | null
  readonly buildMs: number | null
  readonly error?: {
    readonly code: string
    readonly detail: string
  }
  readonly createdAt: string
  readonly updatedAt: string
}

export interface EnvironmentList {
  readonly environments: readonly Environment[]
}

export interface EnvironmentRequest {
  /** 1 to 63 characters a-z, 0-9, ".", "_", "-", with a letter or digit at both ends */
  readonly name: string
  readonly python?: {
    /** Each as pip or npm takes it: `requests==2.32.3`, `lodash@4`. */
    readonly packages: readonly string[]
  }
  readonly node?: {
    /** Each as pip or npm takes it: `requests==2.32.3`, `lodash@4`. */
    readonly packages: readonly string[]
  }
  /** Let packages run code of their own while they are installed; without it npm runs no scripts and pip builds nothing from source. By default as the server is set. */
  readonly allowInstallScripts?: boolean
}

export interface EnvironmentSpec {
  readonly python?: {
    /** Each as pip or npm takes it: `requests==2.32.3`, `lodash@4`. */
    readonly packages: readonly string[]
  }
  readonly node?: {
    /** Each as pip or npm takes it: `requests==2.32.3`, `lodash@4`. */
    readonly packages: readonly string[]
  }
  /** Let packages run code of their own while they are installed; without it npm runs no scripts and pip builds nothing from source. By default as the server is set. */
  readonly allowInstallScripts?: boolean
}

/** What to run and with what. snake_case spellings of all keys are accepted. */
export interface ExecuteRequest {
  /** The program itself. */
  readonly code?: string
  /** Of `code`. */
  readonly language?: 'python' | 'javascript' | 'typescript' | 'bash' | 'shell'
  /** A program and its arguments, instead of `code`. */
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: {
    readonly [name: string]: string
  }
  /** What the program reads; without it, end of file at once. */
  readonly stdin?:
    | string
    | {
        readonly base64: string
      }
  /** By path; relative ones are under /workspace. */
  readonly files?: {
    readonly [name: string]:
      | string
      | {
          readonly text?: string
          readonly base64?: string
          /** Permission bits, as a number. */
          readonly mode?: number
        }
  }
  /** Files or folders to send back; relative ones are under /workspace. */
  readonly outputs?: readonly string[]
  readonly cwd?: string
  /** Run on a terminal of this size: everything comes out as stdout. */
  readonly pty?: {
    /** Default 80. */
    readonly cols: number
    /** Default 24. */
    readonly rows: number
  }
  /** Then it is killed. Default 30000. */
  readonly timeoutMs?: number
  readonly resources?: Resources
  /** What the program may reach. Private, loopback and metadata addresses never are. */
  readonly network?:
    | 'none'
    | 'all'
    | {
        /** Names (`example.com`, `*.example.com`) and CIDRs (`203.0.113.0/24`). */
        readonly allow: readonly string[]
      }
  /** Default "ephemeral". */
  readonly mode?: 'ephemeral' | 'cached' | 'checkpointed' | 'branched' | 'persistent'
  /** Packages the program finds installed. */
  readonly environment?: string | EnvironmentSpec
  /** Answer with an earlier result of exactly the same request instead of running it. */
  readonly resultCache?:
    | boolean
    | {
        readonly ttlMs?: number
      }
  /** A second request with the same key is answered with the first one’s execution. */
  readonly idempotencyKey?: string
  /** For mode `checkpointed`. */
  readonly checkpointAfter?: boolean
  /** For mode `branched`. */
  readonly parentSnapshot?: string
}

export interface Execution {
  readonly executionId: string
  readonly status:
    | 'accepted'
    | 'queued'
    | 'running'
    | 'succeeded'
    | 'failed'
    | 'timeout'
    | 'oom'
    | 'killed'
    | 'cancelled'
    | 'error'
  readonly language: 'python' | 'javascript' | 'typescript' | 'bash' | 'shell' | null
  readonly mode: 'ephemeral' | 'cached' | 'checkpointed' | 'branched' | 'persistent'
  readonly exitCode: number | null
  readonly signal: string | null
  readonly durationMs: number | null
  readonly startKind: 'cold' | 'fork' | 'standby' | 'warm' | 'replay' | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** Why it ended otherwise than by its own exit. */
  readonly error?: {
    readonly code: string
    readonly detail: string
  }
  /** An earlier result of an equal request. */
  readonly cached?: boolean
  readonly stdout: string
  readonly stderr: string
  /** base64 where the bytes are not UTF-8. */
  readonly stdoutEncoding: 'utf8' | 'base64'
  /** base64 where the bytes are not UTF-8. */
  readonly stderrEncoding: 'utf8' | 'base64'
  readonly truncated: {
    readonly stdout: boolean
    readonly stderr: boolean
  }
  /** Everything the program wrote, what was cut included. */
  readonly stdoutBytes: number
  readonly stderrBytes: number
  readonly phases: {
    readonly [name: string]: number
  } | null
  readonly cpuTimeMs: number | null
  readonly peakMemoryBytes: number | null
  readonly outputs: {
    readonly [name: string]: {
      readonly text?: string
      readonly base64?: string
      readonly size?: number
      readonly missing?: boolean
    }
  }
  readonly environmentId: string | null
  readonly limits: {
    readonly cpuMillis: number
    readonly memoryBytes: number
    readonly diskBytes: number
    readonly pids: number
  }
  readonly timeoutMs: number
}

export interface ExecutionList {
  readonly executions: readonly ExecutionSummary[]
  readonly nextCursor: string | null
}

export interface ExecutionSummary {
  readonly executionId: string
  readonly status:
    | 'accepted'
    | 'queued'
    | 'running'
    | 'succeeded'
    | 'failed'
    | 'timeout'
    | 'oom'
    | 'killed'
    | 'cancelled'
    | 'error'
  readonly language: 'python' | 'javascript' | 'typescript' | 'bash' | 'shell' | null
  readonly mode: 'ephemeral' | 'cached' | 'checkpointed' | 'branched' | 'persistent'
  readonly exitCode: number | null
  readonly signal: string | null
  readonly durationMs: number | null
  readonly startKind: 'cold' | 'fork' | 'standby' | 'warm' | 'replay' | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** Why it ended otherwise than by its own exit. */
  readonly error?: {
    readonly code: string
    readonly detail: string
  }
  /** An earlier result of an equal request. */
  readonly cached?: boolean
}

export interface Health {
  readonly status: 'ok'
  readonly uptimeMs: number
}

export interface Key {
  readonly keyId: string
  readonly tenantId: string
  readonly name: string
  /** Enough to recognise the key; the key itself is never shown again. */
  readonly prefix: string
  readonly scopes: readonly ('execute' | 'manage' | 'admin')[]
  readonly ratePerMinute: number | null
  readonly state: 'active' | 'expired' | 'revoked'
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly lastUsedAt: string | null
}

export interface KeyList {
  readonly keys: readonly Key[]
}

export interface KeyRequest {
  readonly name: string
  /** Default: execute. */
  readonly scopes?: readonly ('execute' | 'manage' | 'admin')[]
  readonly ratePerMinute?: number | null
  readonly expiresInMs?: number
  /** Another tenant than the own one: only for admins. */
  readonly tenantId?: string
}

export interface NewKey {
  /** Shown only now. */
  readonly key: string
  readonly keyId: string
  readonly tenantId: string
  readonly name: string
  /** Enough to recognise the key; the key itself is never shown again. */
  readonly prefix: string
  readonly scopes: readonly ('execute' | 'manage' | 'admin')[]
  readonly ratePerMinute: number | null
  readonly state: 'active' | 'expired' | 'revoked'
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly revokedAt: string | null
  readonly lastUsedAt: string | null
}

export interface Readiness {
  readonly ready: boolean
  readonly reason?: string
}

export interface Resources {
  /** Default 1. */
  readonly cpuCores?: number
  /** Default 256. */
  readonly memoryMb?: number
  /** Default 256. */
  readonly diskMb?: number
  /** Default 128. */
  readonly pids?: number
}

export interface Tenant {
  readonly tenantId: string
  readonly name: string
  readonly createdAt: string
}

export interface TenantList {
  readonly tenants: readonly Tenant[]
}

export interface TenantRequest {
  /** 1 to 63 characters a-z, 0-9, ".", "_", "-", with a letter or digit at both ends */
  readonly name: string
}

export type Version = {
  readonly [name: string]: string
}
