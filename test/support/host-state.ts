/**
 * What the platform holds of the machine, read from the kernel and never from the platform: processes, mounts,
 * cgroups, namespaces, open files, folders, memory. Tests take it before and after, and demand equality.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestServer } from './server.ts'

export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly name: string
  readonly state: string
  readonly uid: number
}

export interface HostCounts {
  /** Processes below the server, sandboxes included. */
  readonly processes: number
  /** Of those, zombies. */
  readonly zombies: number
  /** Mounts in the namespaces of the test, the server and the launcher that name the data folder. */
  readonly mounts: number
  /** Directories in all cgroup hierarchies that belong to the server. */
  readonly cgroups: number
  readonly serverFds: number
  readonly launcherFds: number
  readonly runEntries: number
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise // the process or file went away between listing and reading
  }
}

function listOr(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function processEntry(pid: number): ProcessEntry | undefined {
  const stat = readOr(`/proc/${pid}/stat`, '')
  const close = stat.lastIndexOf(')')
  if (close < 0) return undefined
  const [state = '?', parent = '0'] = stat.slice(close + 2).split(' ')
  const status = readOr(`/proc/${pid}/status`, '')
  const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1)
  return { pid, parent: Number(parent), name: stat.slice(stat.indexOf('(') + 1, close), state, uid }
}

export function allProcesses(): ProcessEntry[] {
  const found: ProcessEntry[] = []
  for (const name of listOr('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const entry = processEntry(Number(name))
    if (entry !== undefined) found.push(entry)
  }
  return found
}

/** Every process below `root`, which is not included. */
export function processesBelow(root: number): ProcessEntry[] {
  const byParent = new Map<number, ProcessEntry[]>()
  for (const entry of allProcesses()) {
    byParent.set(entry.parent, [...(byParent.get(entry.parent) ?? []), entry])
  }
  const found: ProcessEntry[] = []
  const pending = [root]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const child of byParent.get(next) ?? []) {
      found.push(child)
      pending.push(child.pid)
    }
  }
  return found
}

export function launcherOf(server: TestServer): ProcessEntry {
  const found = processesBelow(server.pid).find((entry) => entry.name === 'launcher')
  if (found === undefined) throw new Error('the server has no launcher process below it')
  return found
}

/** Mount points of a process that mention `fragment` anywhere in their line. */
export function mountsNaming(pid: number | 'self', fragment: string): string[] {
  return readOr(`/proc/${pid}/mountinfo`, '')
    .split('\n')
    .filter((line) => line.includes(fragment))
}

function foldersNamed(root: string, fragment: RegExp, found: string[]): void {
  for (const name of listOr(root)) {
    const path = join(root, name)
    if (!existsSync(join(path, 'cgroup.procs')) && !existsSync(join(path, 'tasks'))) continue
    if (fragment.test(path)) found.push(path)
    foldersNamed(path, fragment, found)
  }
}

/** All cgroup folders, in every hierarchy, whose path matches. */
export function cgroupFolders(fragment: RegExp): string[] {
  const found: string[] = []
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) foldersNamed('/sys/fs/cgroup', fragment, found)
  else
    for (const hierarchy of listOr('/sys/fs/cgroup'))
      foldersNamed(join('/sys/fs/cgroup', hierarchy), fragment, found)
  return found
}

/** The cgroup paths a process is in, one for each hierarchy that has it below the root. */
export function cgroupPathsOf(pid: number): string[] {
  return readOr(`/proc/${pid}/cgroup`, '')
    .split('\n')
    .map((line) => line.split(':').slice(2).join(':'))
    .filter((path) => path.length > 1)
}

export function fdCount(pid: number): number {
  return listOr(`/proc/${pid}/fd`).length
}

/** Distinct namespaces of one kind held by processes below the server. */
export function namespacesBelow(server: TestServer, kind: 'net' | 'mnt' | 'pid' | 'user'): Set<string> {
  const found = new Set<string>()
  for (const entry of processesBelow(server.pid)) {
    try {
      found.add(readlinkSync(`/proc/${entry.pid}/ns/${kind}`))
    } catch {
      // it ended meanwhile
    }
  }
  return found
}

/** The cgroup name the server's sandboxes live under: told to its launcher, or seen from a process that is in one. */
export function cgroupNameOf(server: TestServer): RegExp {
  const words = readOr(`/proc/${launcherOf(server).pid}/cmdline`, '').split('\0')
  const told = words[words.indexOf('--cgroup') + 1]
  if (words.includes('--cgroup') && told !== undefined) return new RegExp(`/${RegExp.escape(told)}(/|$)`)
  for (const entry of processesBelow(server.pid)) {
    for (const path of cgroupPathsOf(entry.pid)) {
      const name = /(cloche[^/]*)/.exec(path)?.[1]
      if (name !== undefined) return new RegExp(`/${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(/|$)`)
    }
  }
  throw new Error('no process below the server is in a cgroup of its own')
}

export function hostCounts(server: TestServer, cgroups: RegExp): HostCounts {
  const below = processesBelow(server.pid)
  const launcher = below.find((entry) => entry.name === 'launcher')
  return {
    processes: below.length,
    zombies: below.filter((entry) => entry.state === 'Z').length,
    mounts:
      mountsNaming('self', server.dataDir).length +
      (launcher === undefined ? 0 : mountsNaming(launcher.pid, server.dataDir).length),
    cgroups: cgroupFolders(cgroups).length,
    serverFds: fdCount(server.pid),
    launcherFds: launcher === undefined ? 0 : fdCount(launcher.pid),
    runEntries: listOr(join(server.dataDir, 'run')).length,
  }
}

export function memAvailableBytes(): number {
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return Number(kib) * 1024
}

export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readOr(`/proc/${pid}/status`, ''))?.[1]
  return Number(kib ?? 0) * 1024
}

/** User plus system time a process has used, in ticks of 10 ms. */
export function cpuTicks(pid: number): number {
  const stat = readOr(`/proc/${pid}/stat`, '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
}
