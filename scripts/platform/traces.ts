/**
 * What a running server holds of the machine (processes, control groups, network namespaces, mounts), read from the
 * kernel before it ends, and what of it is left afterwards. `make down` says "nothing is left" only on this evidence.
 */
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { readOr, startTicks } from './place.ts'

export type Traces = {
  processes: ReadonlyMap<number, string>
  groups: readonly string[]
  networks: readonly string[]
  data: string
}

export function tracesOf(serverPid: number, data: string): Traces {
  const pids = withDescendants(serverPid)
  const alive = pids.map((pid): [number, string] => [pid, startTicks(pid) ?? ''])
  return {
    processes: new Map(alive.filter(([, ticks]) => ticks !== '')),
    groups: [...new Set(pids.flatMap(groupsOf))],
    networks: foreignNetworks(pids),
    data,
  }
}

/** One line for each thing that should be gone and is not. */
export function whatIsLeft(traces: Traces): string[] {
  const processes = [...traces.processes].filter(([pid, ticks]) => startTicks(pid) === ticks)
  const networks = new Set(listOr('/proc').map(networkOf))
  return [
    ...processes.map(([pid]) => `process ${pid} (${readOr(`/proc/${pid}/comm`, '?').trim()})`),
    ...traces.groups.filter((group) => existsSync(group)).map((group) => `control group ${group}`),
    ...traces.networks
      .filter((network) => networks.has(network))
      .map((network) => `network namespace ${network}`),
    ...mountsUnder(traces.data).map((mount) => `mount ${mount}`),
  ]
}

function withDescendants(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of listOr('/proc')) {
    const pid = Number(name)
    const parent = Number(/^PPid:\s+(\d+)/m.exec(readOr(`/proc/${name}/status`, ''))?.[1])
    if (!Number.isInteger(pid) || !Number.isInteger(parent)) continue
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** The control groups a process is in that were made for sandboxes, in every hierarchy, as folders. */
function groupsOf(pid: number): string[] {
  const lines = readOr(`/proc/${pid}/cgroup`, '').split('\n')
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (!/\/cloche[^/]*\/./.test(path)) return []
    return groupMounts(controllers)
      .map((mount) => join(mount, path))
      .filter((folder) => existsSync(folder))
  })
}

function groupMounts(controllers: string): string[] {
  const wanted = controllers === '' ? ['cgroup2'] : controllers.replace(/^name=/, '').split(',')
  return readOr('/proc/self/mountinfo', '')
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .filter((line) =>
      wanted.some((word) => new RegExp(`[ ,=]${word}([ ,]|$)`).test(line.slice(line.indexOf(' - ')))),
    )
    .map((line) => line.split(' ')[4] ?? '')
}

function foreignNetworks(pids: readonly number[]): string[] {
  const own = networkOf('self')
  const all = new Set(pids.map((pid) => networkOf(String(pid))))
  return [...all].filter((network) => network !== '' && network !== own)
}

function networkOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch {
    return ''
  }
}

function mountsUnder(folder: string): string[] {
  return readOr('/proc/self/mountinfo', '')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((mount) => mount.startsWith(`${folder}/`))
}

function listOr(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}
