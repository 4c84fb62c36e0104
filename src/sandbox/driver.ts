/*
 * sandbox: isolation boundaries for code nobody reviewed, behind one narrow interface.
 *
 * Guarantees: whoever holds a `Sandbox` can rely on the comments below, whatever runs inside. Everything a sandbox sends
 * is treated as hostile: bounded, checked, and never believed about limits, usage, time or identity. The first cause of
 * a sandbox's end is kept; later ones do not rewrite it. A driver that cannot work here says why; nothing is simulated.
 *
 * Does not: decide who gets which sandbox (pool), what may be reached from it (egress), or what a request means.
 */

import type { Duplex } from 'node:stream'
import type { RuntimeJob } from '../protocol/job.ts'
import type { TreePart } from '../protocol/tree.ts'

export type { TreePart } from '../protocol/tree.ts'

/** What a sandbox is forked from: nothing warm, or a warm interpreter that never ran tenant code. */
export type RuntimeName = 'bare' | 'python' | 'node'

/** `egress`: connections leave through the channel of `Sandbox.egress`. `none`: only the sandbox's own loopback. */
export type NetworkKind = 'none' | 'egress'

export interface Limits {
  readonly memoryBytes: number
  /** Thousandths of a core. */
  readonly cpuMillis: number
  readonly pids: number
  readonly diskBytes: number
  readonly inodes: number
  readonly readBps?: number
  readonly writeBps?: number
  readonly readIops?: number
  readonly writeIops?: number
}

export interface SandboxSpec {
  readonly runtime: RuntimeName
  /** Content hash of a read-only layer above the base: none or one. */
  readonly layers: readonly string[]
  readonly limits: Limits
  readonly network: NetworkKind
  /** A time namespace of its own, so that its clocks can be set after a sleep. */
  readonly timeNamespace?: boolean
}

/** Whether the driver works on this machine, and if not, what stands in the way and what would mend it. */
export type Availability =
  | { readonly available: true; readonly facts: Readonly<Record<string, string>> }
  | { readonly available: false; readonly reason: string; readonly remedy: string }

export interface Driver {
  readonly name: string
  /** Never throws for a machine that cannot do it; that is the answer. */
  availability(): Promise<Availability>
  /**
   * A booted sandbox, ready for `exec`. Fails with `sandbox_unavailable` or `sandbox_start_failed`. When the signal aborts, a
   * sandbox that comes to life later is destroyed and never handed out.
   */
  create(spec: SandboxSpec, signal?: AbortSignal): Promise<Sandbox>
  /** Sandboxes alive or being made or unmade. */
  count(): number
  /** Ends every sandbox and waits until nothing of them is left. Idempotent. */
  close(): Promise<void>
}

/** How long each step of making a sandbox took, microseconds since the order arrived. */
export interface StartPhases {
  readonly cloneUs: number
  readonly attachUs: number
  readonly mountUs: number
  readonly readyUs: number
}

/** Why a sandbox is no more. */
export type EndCause =
  | 'destroyed' /* the host asked */
  | 'exited' /* its first process ended */
  | 'oom' /* its first process was killed for memory */
  | 'protocol_error' /* it broke the protocol */
  | 'unresponsive' /* it let a deadline of the protocol pass */
  | 'launcher_lost' /* the launcher died, and every sandbox with it */

export interface EndReason {
  readonly cause: EndCause
  /** For operators: what was seen. */
  readonly detail: string
}

/** Read from the kernel, never told by the sandbox. */
export interface Usage {
  readonly cpuUs: number
  readonly memoryBytes: number
  readonly peakMemoryBytes: number
  readonly oomKills: number
  readonly pids: number
}

export interface TerminalSize {
  readonly cols: number
  readonly rows: number
}

interface ExecCommon {
  /** False: the program reads end-of-file at once. */
  readonly stdin: boolean
  /** A terminal instead of pipes: everything comes out as stdout. */
  readonly pty?: TerminalSize
}

export interface ExecArgv extends ExecCommon {
  readonly kind: 'argv'
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** Source code for the warm interpreter of a `python` or `node` sandbox. */
export interface ExecJob extends ExecCommon {
  readonly kind: 'job'
  readonly job: RuntimeJob
  /** The interpreter clones a child for it and stays for the next job (after `reset`); otherwise it becomes the program. */
  readonly keep: boolean
}

export type ExecSpec = ExecArgv | ExecJob

/** As the kernel reported it: exactly one of the two is not null. */
export interface ExitStatus {
  readonly code: number | null
  /** `SIGKILL` and the like. */
  readonly signal: string | null
}

export type OutputListener = (stream: 'stdout' | 'stderr', chunk: Buffer) => void

/**
 * One program in a sandbox. Signals reach its process group. Whatever it leaves running lives until `Sandbox.reset` or
 * `Sandbox.destroy`.
 */
export interface Process {
  /**
   * Who takes the output, chunk by chunk, in the order of each stream. Set it in the turn `exec` returned: output that finds
   * no listener is dropped. The chunks are the listener's own.
   */
  onOutput(listener: OutputListener): void
  /** No more credit: at most one window (256 KiB) still arrives, then the program blocks on its next write. */
  pause(): void
  resume(): void
  /** Resolves when the chunk has been passed on within the window; resolves too when the program no longer reads. */
  writeStdin(chunk: Uint8Array): Promise<void>
  endStdin(): void
  resize(size: TerminalSize): void
  /** A name as in `SIGTERM`. */
  signal(name: NodeJS.Signals): void
  /**
   * All output was delivered before it resolves. Rejects with `program_not_started` when the program could not be started,
   * with `sandbox_lost` or `protocol_violation` when the sandbox ended first, with the signal's reason when that aborted.
   */
  readonly exited: Promise<ExitStatus>
  /** When the program was started, on the monotonic clock (`performance.now`); undefined until then. */
  readonly startedAtMs: number | undefined
  /** SIGKILL to the group. `exited` resolves with what the kernel then reports. */
  kill(): void
}

export interface FileEntry {
  /** Relative paths are under /workspace; folders on the way are made. */
  readonly path: string
  readonly mode: number
  readonly content: Uint8Array
}

/** `content` is null when there is no such file. A folder comes as the files in it. */
export interface FileResult {
  readonly path: string
  readonly mode: number
  readonly content: Buffer | null
}

/** A connection the sandbox asks for; the host decides. */
export interface EgressConnection {
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
  /** Its bytes. Called at most once. */
  accept(): Duplex
  /** The program sees a reset connection. Refused too when nobody accepts within 60 s. */
  refuse(): void
}

/** What leaves a sandbox of network kind `egress`. Both listeners are set in the turn `egress` returned. */
export interface EgressChannel {
  onConnection(listener: (connection: EgressConnection) => void): void
  /** A DNS question as one datagram; `reply` answers it, at most once. */
  onDns(listener: (question: Buffer, reply: (answer: Uint8Array) => void) => void): void
  /** No more of either; existing connections go on. */
  close(): void
  readonly closed: Promise<void>
}

export interface Sandbox {
  readonly id: string
  readonly spec: SandboxSpec
  readonly startPhases: StartPhases
  /** Aborting the signal kills the program. */
  exec(spec: ExecSpec, signal?: AbortSignal): Process
  /** As uid 1000 inside: reaches nothing the user's own code could not. Fails with `files_refused`, also when the disk is full. */
  writeFiles(entries: Iterable<FileEntry>, signal?: AbortSignal): Promise<void>
  /** Fails with `output_limit_exceeded` beyond `limitBytes` in all. */
  readFiles(paths: readonly string[], limitBytes: number, signal?: AbortSignal): Promise<FileResult[]>
  /**
   * A folder with all that is in it, links as links, part by part as it comes; nothing is believed or bounded: whoever takes
   * the parts does that. The sandbox waits for each `take`; one that rejects ends the reading with its reason.
   */
  readTree(path: string, take: (part: TreePart) => Promise<void>, signal?: AbortSignal): Promise<void>
  /** A connection to a port of the sandbox's loopback; the stream errors with `port_unreachable` when nobody listens. */
  dial(port: number, signal?: AbortSignal): Duplex
  /** One at a time, and only for network kind `egress`. */
  egress(): EgressChannel
  /**
   * Kills every process of the user and empties what it could write. A sandbox whose reset fails has ended (with
   * `unresponsive` or `protocol_error`) before this rejects.
   */
  reset(signal?: AbortSignal): Promise<void>
  limit(limits: Limits): Promise<void>
  /** `reset` starts cpu time, peak memory and memory kills anew, after reading. */
  usage(reset?: boolean): Promise<Usage>
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Resolves when every process of it is dead and nothing is left, with the last counters. Idempotent. */
  destroy(): Promise<Usage>
  /** Resolves once, with the first cause; never rejects. */
  readonly ended: Promise<EndReason>
  /** The same, without waiting: undefined while it lives. */
  readonly endReason: EndReason | undefined
}
