import { dirname } from 'node:path'
import { available, degraded, type Finding, unavailable } from './finding.ts'
import type { Probes } from './probes.ts'

const GIB = 1024 ** 3
const LEAST_FREE_DISK = GIB
const LEAST_FREE_MEMORY = GIB / 2

export function privileges(probes: Probes): Finding {
  const title = 'privileges for the launcher'
  if (probes.uid === 0) return available('machine', 'privileges', title, 'running as root')
  const why = `running as user ${probes.uid}; only root can make control groups, id maps and mounts for others`
  return unavailable('machine', 'privileges', title, why, 'start the server with sudo')
}

export function processor(probes: Probes): Finding {
  const title = 'a processor this version is built for'
  if (probes.architecture === 'x64') return available('machine', 'processor', title, 'x86_64')
  const why = `this is ${probes.architecture}; the system call filter knows x86_64 only`
  return unavailable('machine', 'processor', title, why, 'use an x86_64 machine')
}

export async function disk(folder: string, probes: Probes): Promise<Finding> {
  const title = 'disk space for data'
  let existing = folder
  while (existing !== dirname(existing) && !(await probes.exists(existing))) existing = dirname(existing)
  const free = await probes.freeBytes(existing)
  if (free === undefined) {
    return degraded(
      'machine',
      'disk',
      title,
      `${existing} does not tell its free space`,
      'name another folder with --data',
    )
  }
  const why = `${inGib(free)} free for ${folder}`
  if (free >= LEAST_FREE_DISK) return available('machine', 'disk', title, why)
  return degraded(
    'machine',
    'disk',
    title,
    why,
    `free at least ${inGib(LEAST_FREE_DISK)}, or name another folder with --data`,
  )
}

export async function memory(probes: Probes): Promise<Finding> {
  const title = 'memory for sandboxes'
  const facts = await memoryFacts(probes)
  const free = facts.get('MemAvailable')
  if (free === undefined) {
    return degraded(
      'machine',
      'memory',
      title,
      '/proc/meminfo does not tell what is available',
      'mount /proc',
    )
  }
  const why = `${inGib(free)} available of ${inGib(facts.get('MemTotal') ?? 0)}`
  if (free >= LEAST_FREE_MEMORY) return available('machine', 'memory', title, why)
  return degraded('machine', 'memory', title, why, 'end other programs, or add memory')
}

/** Idle sandboxes can be pushed out of memory only where there is somewhere to push them. */
export async function swap(probes: Probes): Promise<Finding> {
  const title = 'swap or zram, to page idle sandboxes out'
  const total = (await memoryFacts(probes)).get('SwapTotal') ?? 0
  if (total > 0) {
    const zram = (await probes.read('/proc/swaps'))?.includes('/zram') === true
    return available('machine', 'swap', title, `${inGib(total)} of ${zram ? 'zram' : 'swap'}`)
  }
  const why = 'none is on; everything works, idle sandboxes just stay in memory'
  return degraded(
    'machine',
    'swap',
    title,
    why,
    'add a swap file or zram (package systemd-zram-generator or zram-tools)',
  )
}

/** Lazy restores want it; it weakens the whole machine, so off is the better answer. */
export async function userFaults(probes: Probes): Promise<Finding> {
  const title = 'user page faults kept from ordinary users'
  const value = (await probes.read('/proc/sys/vm/unprivileged_userfaultfd'))?.trim()
  if (value !== '1')
    return available('machine', 'userfaultfd', title, 'vm.unprivileged_userfaultfd is 0 or absent')
  const why =
    'vm.unprivileged_userfaultfd is 1: it makes kernel bugs easier to exploit (sandboxes cannot use it, other users can)'
  return degraded('machine', 'userfaultfd', title, why, 'sysctl vm.unprivileged_userfaultfd=0')
}

async function memoryFacts(probes: Probes): Promise<Map<string, number>> {
  const lines = ((await probes.read('/proc/meminfo')) ?? '').split('\n')
  const pairs = lines.map((line) => /^(\w+):\s+(\d+) kB$/.exec(line))
  return new Map(pairs.flatMap((pair) => (pair?.[1] ? [[pair[1], Number(pair[2]) * 1024]] : [])))
}

function inGib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`
}
