import type { Limits, SandboxSpec } from '../driver.ts'
import type { LauncherCommand } from './launcher-client.ts'

/** Where the launcher finds what sandboxes are made of. Absolute paths. */
export interface NativeSettings {
  /** The launcher's program. */
  readonly launcher: string
  /** Sockets and the launcher's lock; 0700, the server's own. */
  readonly runDir: string
  /** The root of the base tree. */
  readonly baseRoot: string
  /** What is seen at /opt/cloche inside: init, zygotes, runtimes. */
  readonly guestDir: string
  readonly layersDir: string
  /** Who may connect to the sandboxes: the server's own user. */
  readonly owner: { readonly uid: number; readonly gid: number }
  /** The name of the parent control group, so that two servers do not share one. */
  readonly cgroup?: string
  /** Memory that sandboxes may never take from the rest of the machine. */
  readonly memoryReserveBytes?: number
}

export function launcherCommand(settings: NativeSettings): LauncherCommand {
  const { uid, gid } = settings.owner
  return {
    file: settings.launcher,
    args: [
      ...['--run', settings.runDir, '--base', settings.baseRoot],
      ...['--guest', settings.guestDir, '--layers', settings.layersDir],
      ...['--owner', `${uid}:${gid}`],
      ...(settings.cgroup === undefined ? [] : ['--cgroup', settings.cgroup]),
      ...(settings.memoryReserveBytes === undefined
        ? []
        : ['--memory-reserve', String(settings.memoryReserveBytes)]),
    ],
  }
}

export function createFields(id: string, spec: SandboxSpec): Record<string, string | number> {
  return {
    id,
    zygote: spec.runtime,
    net: spec.network,
    ...(spec.layers.length > 0 && { layers: spec.layers.join(',') }),
    ...limitFields(spec.limits),
    disk: spec.limits.diskBytes,
    inodes: spec.limits.inodes,
    ...(spec.timeNamespace && { time: 1 }),
  }
}

/** What can change while a sandbox lives. */
export function limitFields(limits: Limits): Record<string, string | number> {
  return {
    mem: limits.memoryBytes,
    cpu: limits.cpuMillis,
    pids: limits.pids,
    ...(limits.readBps !== undefined && { rbps: limits.readBps }),
    ...(limits.writeBps !== undefined && { wbps: limits.writeBps }),
    ...(limits.readIops !== undefined && { riops: limits.readIops }),
    ...(limits.writeIops !== undefined && { wiops: limits.writeIops }),
  }
}
