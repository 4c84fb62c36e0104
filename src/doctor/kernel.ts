import { available, degraded, type Finding, unavailable } from './finding.ts'
import type { Probes } from './probes.ts'

/** What the probe program's names mean to a person, and what helps when the answer is no. */
const features: readonly { id: string; title: string; remedy: string; optional?: string }[] = [
  {
    id: 'user-namespaces',
    title: 'user namespaces and all namespaces inside them',
    remedy: 'allow them: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0',
  },
  {
    id: 'idmapped-mounts',
    title: 'id-mapped mounts of the base tree',
    remedy: 'keep the data folder on ext4, xfs or btrfs',
  },
  {
    id: 'overlay',
    title: 'overlay file systems inside a user namespace',
    remedy: 'load the module overlay: modprobe overlay',
  },
  { id: 'seccomp', title: 'system call filters', remedy: 'use a kernel with CONFIG_SECCOMP_FILTER' },
  { id: 'pidfd', title: 'process descriptors', remedy: 'use a kernel of 5.19 or newer' },
  {
    id: 'socket-lookup',
    title: 'socket lookup programs, which egress is made with',
    remedy: 'use a kernel with CONFIG_BPF_SYSCALL',
    optional: 'sandboxes run, those that ask for a network are refused',
  },
  {
    id: 'time-namespaces',
    title: 'time namespaces',
    remedy: 'use a kernel with CONFIG_TIME_NS',
    optional: 'sandboxes run, those that ask for a clock of their own are refused',
  },
]

export function kernelVersion(probes: Probes): Finding {
  const [major = 0, minor = 0] = probes.kernelRelease.split(/[^0-9]+/).map(Number)
  const enough = major > 5 || (major === 5 && minor >= 19)
  const title = 'Linux 5.19 or newer'
  if (enough) return available('kernel', 'kernel', title, `this is ${probes.kernelRelease}`)
  const remedy = 'boot a newer kernel: Debian 12, Ubuntu 22.10 and their later releases have one'
  return unavailable('kernel', 'kernel', title, `this is ${probes.kernelRelease}`, remedy)
}

/** Every feature tried by the probe program, on the file system that holds the base trees. */
export async function kernelFeatures(program: string, folder: string, probes: Probes): Promise<Finding[]> {
  const ran = await probes.run(program, [folder])
  if (ran === undefined) {
    const why = `${program} cannot be run, so nothing of the kernel was tried`
    return [
      unavailable('kernel', 'kernel-features', 'features of the kernel', why, 'build it: make -C native'),
    ]
  }
  const answers = parseAnswers(ran.output)
  const appArmor =
    (await probes.read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'))?.trim() === '1'
  return features.map((feature) => judge(feature, answers.get(feature.id), probes.uid === 0, appArmor))
}

function judge(
  feature: (typeof features)[number],
  answer: string | undefined,
  isRoot: boolean,
  appArmor: boolean,
): Finding {
  const { id, title, optional } = feature
  if (answer === 'yes') return available('kernel', id, title, 'tried, and it works')
  const why = answer?.replace(/^no /, 'tried, and it failed at ') ?? 'the probe ended before it was tried'
  if (!isRoot && /not permitted/.test(why)) {
    return degraded(
      'kernel',
      id,
      title,
      `${why}; only root can try it`,
      'run this again as root: sudo cloche doctor',
    )
  }
  const remedy = id === 'user-namespaces' && appArmor ? APPARMOR_REMEDY : feature.remedy
  return optional === undefined
    ? unavailable('kernel', id, title, why, remedy)
    : degraded('kernel', id, title, `${why}; ${optional}`, remedy)
}

const APPARMOR_REMEDY =
  'AppArmor restricts them here: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile that allows the launcher'

export function parseAnswers(output: string): Map<string, string> {
  const lines = output.split('\n').map((line) => /^([a-z-]+) ((?:yes|no ).*)$/.exec(line))
  return new Map(lines.flatMap((match) => (match?.[1] && match[2] ? [[match[1], match[2]]] : [])))
}

/** Which hierarchies limit sandboxes: v2 alone, v1, or v1 with a bare v2 beside it. */
export async function controlGroups(probes: Probes): Promise<Finding> {
  const title = 'control groups with memory, cpu, pids and block I/O'
  const mounts = ((await probes.read('/proc/self/mountinfo')) ?? '').split('\n')
  const v2 = mounts.find((line) => / - cgroup2 /.test(line))?.split(' ')[4]
  const inV2 = new Set((v2 && (await probes.read(`${v2}/cgroup.controllers`)))?.trim().split(/\s+/) ?? [])
  const inV1 = new Set(
    mounts
      .filter((line) => / - cgroup /.test(line))
      .flatMap((line) => line.split(' ').at(-1)?.split(',') ?? []),
  )
  const carriedByV2 = inV2.has('memory')
  const missing = ['memory', 'cpu', 'pids', carriedByV2 ? 'io' : 'blkio'].filter(
    (controller) => !(carriedByV2 ? inV2 : inV1).has(controller),
  )
  const kind = carriedByV2 ? 'v2' : inV1.size === 0 ? 'none' : v2 ? 'v1 with a bare v2' : 'v1'
  if (missing.length === 0) return available('kernel', 'cgroups', title, `limits are written to ${kind}`)
  const why = `${kind}; without ${missing.join(', ')}`
  const remedy =
    'boot with them: cgroup_enable=memory on the kernel command line, or systemd.unified_cgroup_hierarchy=1'
  const vital = missing.some((controller) => controller === 'memory' || controller === 'pids')
  return vital
    ? unavailable('kernel', 'cgroups', title, why, remedy)
    : degraded('kernel', 'cgroups', title, `${why}: that limit is not enforced`, remedy)
}
