import assert from 'node:assert/strict'
import test from 'node:test'
import { canRunCode, type DoctorConfig, type Finding, runDoctor } from './doctor.ts'
import type { Trial } from './drivers.ts'
import type { Probes, Ran } from './probes.ts'

const config: DoctorConfig = { dataDir: '/data', baseDir: '/data/base', buildDir: '/build' }

const goodFiles: Readonly<Record<string, string>> = {
  '/data': '',
  '/data/base': '',
  '/data/base/current': 'abc\n',
  '/data/base/abc/ok': '',
  '/data/base/abc/manifest.json': '{"kind":"debian","suite":"bookworm"}',
  '/build/launcher': '',
  '/build/guest/init': '',
  '/build/guest/zygote': '',
  '/build/guest/python': '',
  '/build/guest/node': '',
  '/proc/self/mountinfo': '30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
  '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
  '/proc/meminfo': 'MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapTotal: 2097152 kB\n',
  '/proc/swaps': 'Filename\n/dev/zram0 partition\n',
  '/proc/sys/vm/unprivileged_userfaultfd': '0\n',
}

const features = [
  'user-namespaces',
  'time-namespaces',
  'overlay',
  'idmapped-mounts',
  'seccomp',
  'pidfd',
  'socket-lookup',
]
const allWork = features.map((name) => `${name} yes\n`).join('')

interface Machine {
  uid?: number
  kernelRelease?: string
  architecture?: string
  files?: Readonly<Record<string, string | undefined>>
  freeBytes?: number
  commands?: Readonly<Record<string, Ran>>
}

function machine(differences: Machine = {}): Probes {
  const files: Record<string, string | undefined> = { ...goodFiles, ...differences.files }
  const commands: Record<string, Ran> = {
    '/build/probe': { code: 0, output: allWork },
    ...differences.commands,
  }
  return {
    uid: differences.uid ?? 0,
    kernelRelease: differences.kernelRelease ?? '6.1.0-13-amd64',
    architecture: differences.architecture ?? 'x64',
    read: async (path) => files[path],
    exists: async (path) => files[path] !== undefined,
    freeBytes: async () => differences.freeBytes ?? 64 * 1024 ** 3,
    run: async (file) => commands[file],
  }
}

const works: Trial[] = ['bare', 'python', 'node'].map((runtime) => ({ runtime, readyMs: 2.5 }))

async function examine(differences: Machine = {}, trials: Trial[] = works): Promise<Map<string, Finding>> {
  const findings = await runDoctor(config, machine(differences), async () => trials)
  return new Map(findings.map((finding) => [finding.id, finding]))
}

async function statusOf(id: string, differences: Machine): Promise<string | undefined> {
  return (await examine(differences)).get(id)?.status
}

test('a good machine has nothing to mend but what this version does not have', async () => {
  const found = await examine()
  const rest = [...found.values()].filter(({ status }) => status !== 'available').map(({ id }) => id)
  assert.deepEqual(rest, ['docker', 'gvisor', 'microvm', 'kubernetes', 'checkpoints'])
  assert.equal(canRunCode([...found.values()]), true)
})

test('whatever is not available says why and what to do', async () => {
  const nothing = Object.fromEntries(Object.keys(goodFiles).map((path) => [path, undefined]))
  const found = await examine(
    { files: nothing, uid: 1000, kernelRelease: '5.10.0', architecture: 'arm64', freeBytes: 0 },
    [{ runtime: 'bare', failure: { why: 'no base tree', remedy: 'build it' } }],
  )
  for (const finding of found.values()) {
    assert.notEqual(finding.why, '', finding.id)
    assert.equal(finding.remedy === '', finding.status === 'available', finding.id)
  }
  assert.equal(canRunCode([...found.values()]), false)
})

test('a kernel older than 5.19 is told from a newer one', async () => {
  assert.equal(await statusOf('kernel', { kernelRelease: '5.18.19-generic' }), 'unavailable')
  assert.equal(await statusOf('kernel', { kernelRelease: '5.19.0' }), 'available')
  assert.equal(await statusOf('kernel', { kernelRelease: '6.18.44' }), 'available')
})

test('a feature that failed is reported with the step it failed at', async () => {
  const output = allWork
    .replace('overlay yes', 'no overlay')
    .replace('no overlay', 'overlay no mounting: Invalid argument')
  const overlay = (await examine({ commands: { '/build/probe': { code: 0, output } } })).get('overlay')
  assert.equal(overlay?.status, 'unavailable')
  assert.match(overlay?.why ?? '', /mounting: Invalid argument/)
})

test('a restriction by AppArmor is named with its own remedy', async () => {
  const output = allWork.replace('user-namespaces yes', 'user-namespaces no more: Operation not permitted')
  const files = { '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' }
  const found = (await examine({ files, commands: { '/build/probe': { code: 0, output } } })).get(
    'user-namespaces',
  )
  assert.equal(found?.status, 'unavailable')
  assert.match(found?.remedy ?? '', /AppArmor/)
})

test('what only root can try is not called missing when root did not try it', async () => {
  const output = allWork.replace('socket-lookup yes', 'socket-lookup no loading: Operation not permitted')
  const found = (await examine({ uid: 1000, commands: { '/build/probe': { code: 0, output } } })).get(
    'socket-lookup',
  )
  assert.equal(found?.status, 'degraded')
  assert.match(found?.remedy ?? '', /root/)
})

test('egress that the kernel cannot do degrades, and does not stop, sandboxes', async () => {
  const output = allWork.replace('socket-lookup yes', 'socket-lookup no loading: Invalid argument')
  assert.equal(
    await statusOf('socket-lookup', { commands: { '/build/probe': { code: 0, output } } }),
    'degraded',
  )
})

test('control groups are recognised as v2, v1 or both, and a missing controller is named', async () => {
  const v1 = ['memory', 'cpu', 'pids', 'blkio'].map(
    (name) => `3 1 0:2 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}\n`,
  )
  const bare = '4 1 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n'
  const seen = async (mounts: string) =>
    (await examine({ files: { '/proc/self/mountinfo': mounts } })).get('cgroups')
  assert.match((await seen(v1.join('')))?.why ?? '', /to v1$/)
  assert.match((await seen(v1.join('') + bare))?.why ?? '', /v1 with a bare v2/)
  assert.match((await examine()).get('cgroups')?.why ?? '', /to v2$/)
  assert.equal((await seen(v1.slice(1).join('')))?.status, 'unavailable')
  const withoutIo = await seen(v1.slice(0, 3).join(''))
  assert.equal(withoutIo?.status, 'degraded')
  assert.match(withoutIo?.why ?? '', /blkio/)
})

test('a base tree copied from the machine is degraded, an unfinished one is none', async () => {
  const copied = { '/data/base/abc/manifest.json': '{"kind":"host-subset"}' }
  assert.equal(await statusOf('base-tree', { files: copied }), 'degraded')
  assert.equal(await statusOf('base-tree', { files: { '/data/base/abc/ok': undefined } }), 'unavailable')
  assert.equal(
    await statusOf('base-tree', { files: { '/data/base/abc/manifest.json': 'not json' } }),
    'unavailable',
  )
})

test('programs that are not built are named with what they are for', async () => {
  const found = (await examine({ files: { '/build/guest/node': undefined } })).get('native-programs')
  assert.equal(found?.status, 'unavailable')
  assert.match(found?.why ?? '', /guest\/node \(forked Node\)/)
})

test('little disk, memory or swap, and open user faults, are pointed out without stopping anything', async () => {
  const meminfo = 'MemTotal: 8388608 kB\nMemAvailable: 1024 kB\nSwapTotal: 0 kB\n'
  const files = { '/proc/meminfo': meminfo, '/proc/sys/vm/unprivileged_userfaultfd': '1\n' }
  const found = await examine({ files, freeBytes: 1024 })
  for (const id of ['disk', 'memory', 'swap', 'userfaultfd'])
    assert.equal(found.get(id)?.status, 'degraded', id)
})

test('another driver is never called available, whatever the machine has', async () => {
  const commands = {
    docker: { code: 0, output: '28.0.0\n' },
    runsc: { code: 0, output: 'runsc version release\n' },
    kubectl: { code: 0, output: 'Client Version: v1\n' },
    criu: { code: 0, output: 'Version: 4.2\n' },
  }
  const found = await examine({ commands, files: { '/dev/kvm': '' } })
  for (const id of ['docker', 'gvisor', 'microvm', 'kubernetes', 'checkpoints']) {
    assert.equal(found.get(id)?.status, 'unavailable', id)
  }
  assert.match(found.get('docker')?.why ?? '', /engine 28\.0\.0 runs here/)
})

test('a runtime whose sandbox could not be made is unavailable while the others stand', async () => {
  const trials = [
    ...works.slice(0, 2),
    { runtime: 'node', failure: { why: 'its zygote did not start', remedy: 'look' } },
  ]
  const found = await examine({}, trials)
  assert.equal(found.get('native-python')?.status, 'available')
  assert.equal(found.get('native-node')?.status, 'unavailable')
  assert.match(found.get('native-node')?.why ?? '', /zygote/)
})

test('this machine is examined for real without an error, with nothing built or installed', async () => {
  const absent = '/nonexistent-cloche'
  const findings = await runDoctor({
    dataDir: absent,
    baseDir: `${absent}/base`,
    buildDir: `${absent}/build`,
  })
  assert.equal(canRunCode(findings), false)
  assert.ok(findings.length > 10)
})
