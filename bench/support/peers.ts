/**
 * The peers Cloche is measured against, all from the distribution's own packages, all given the same base tree and the
 * same work. Installs what is missing; every path and socket is private to the run, every daemon is stopped by its pid.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../test/support/eventually.ts'
import { type Stopwatch, stopwatch } from './stopwatch.ts'

const packages: Record<string, string> = {
  '/usr/sbin/dockerd': 'docker.io',
  '/usr/bin/bwrap': 'bubblewrap',
  '/usr/sbin/runc': 'runc',
  '/usr/bin/crun': 'crun',
}

export function installPeers(): void {
  const missing = Object.entries(packages).filter(([path]) => !existsSync(path))
  if (missing.length === 0) return
  const names = missing.map(([, name]) => name)
  console.log(`installing the peers ${names.join(', ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', ['update', '-q'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  execFileSync('apt-get', ['install', '-qy', '--no-install-recommends', ...names], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** The base tree every sandbox has as its root; the peers get the same. */
export function baseRoot(): string {
  const baseDir = process.env['CLOCHE_BASE_DIR'] ?? '/var/lib/cloche/base'
  const current = join(baseDir, 'current')
  if (!existsSync(current))
    throw new Error(`no base tree in ${baseDir}: run \`make up\` or any test of the platform first`)
  return join(baseDir, readFileSync(current, 'utf8').trim(), 'root')
}

/** What a shell user pays for a process in namespaces of its own: the floor of the table. */
export const unshareCommand = ['unshare', '-m', '-p', '-f', '-u', '-i', '-n', '-C', 'true']

export interface Docker {
  /** `docker run --rm` of a command in the image made from the base tree. */
  run(name: string, command: readonly string[]): Stopwatch
  close(): Promise<void>
}

const image = 'cloche-base:local'

async function stopDaemon(daemon: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => daemon.once('exit', resolve))
  daemon.kill('SIGTERM')
  await gone
}

export async function startDocker(): Promise<Docker> {
  const folder = mkdtempSync(join(tmpdir(), 'cloche-bench-docker-'))
  const socket = `unix://${folder}/docker.sock`
  const client = (...args: string[]): string[] => ['/usr/bin/docker', '-H', socket, ...args]
  const daemon = spawn(
    '/usr/sbin/dockerd',
    [
      '--data-root',
      join(folder, 'data'),
      '--exec-root',
      join(folder, 'exec'),
      '--pidfile',
      join(folder, 'pid'),
      '-H',
      socket,
      '--iptables=false',
      '--ip6tables=false',
      '--bridge=none',
      '--log-level',
      'error',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  daemon.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString('utf8')).slice(-4000)
  })
  const [docker = '', ...prefix] = client()
  await eventually(
    () => {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended: ${log}`)
      execFileSync(docker, [...prefix, 'version'], { stdio: 'ignore' })
      return true
    },
    { withinMs: 60_000, everyMs: 200, what: 'the docker engine' },
  )
  const tar = spawn('tar', ['-C', baseRoot(), '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const load = spawn(docker, [...prefix, 'import', '-', image], { stdio: [tar.stdout, 'ignore', 'inherit'] })
  const code = await new Promise((resolve) => load.once('exit', resolve))
  if (code !== 0) throw new Error(`docker import ended with ${code}: ${log}`)
  return {
    run: (name, command) =>
      stopwatch(name, client('run', '--rm', '--network', 'none', '--user', '1000:1000', image, ...command)),
    async close() {
      await stopDaemon(daemon)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** bubblewrap with every namespace, the base tree read-only, own /proc, /dev and tmpfs places. It knows no control groups. */
function bubblewrapCommand(command: readonly string[]): string[] {
  const mounts = [
    '--ro-bind',
    baseRoot(),
    '/',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    '--tmpfs',
    '/workspace',
  ]
  const identity = [
    '--unshare-all',
    '--uid',
    '1000',
    '--gid',
    '1000',
    '--cap-drop',
    'ALL',
    '--die-with-parent',
    '--new-session',
  ]
  const env = ['--clearenv', '--setenv', 'PATH', '/usr/local/bin:/usr/bin:/bin']
  return ['/usr/bin/bwrap', ...identity, ...mounts, ...env, ...command]
}

export function bubblewrap(command: readonly string[]): Stopwatch {
  return stopwatch('bubblewrap alone', bubblewrapCommand(command))
}

/** The limits that bubblewrap leaves to its caller, made the way a shell user makes them, and taken away afterwards. */
const limitedByShell = `
set -e
name=cloche-bench-peer-$$
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  all=/sys/fs/cgroup/$name
  mkdir $all
  echo 268435456 > $all/memory.max; echo 128 > $all/pids.max; echo "100000 100000" > $all/cpu.max
  echo $$ > $all/cgroup.procs; home=/sys/fs/cgroup
else
  cd /sys/fs/cgroup
  all="memory/$name pids/$name cpu/$name freezer/$name"
  mkdir $all
  echo 268435456 > memory/$name/memory.limit_in_bytes; echo 128 > pids/$name/pids.max
  echo 100000 > cpu/$name/cpu.cfs_quota_us
  for one in $all; do echo $$ > $one/cgroup.procs; done
fi
"$@"
for one in memory pids cpu freezer; do if [ -d $one ]; then echo $$ > $one/cgroup.procs; fi; done
if [ -n "$home" ]; then echo $$ > $home/cgroup.procs; fi
# the last of the namespaces' processes may still be going
rmdir $all 2>/dev/null || for one in $all; do until rmdir $one 2>/dev/null || [ ! -d $one ]; do :; done; done`

export function bubblewrapWithLimits(command: readonly string[]): Stopwatch {
  return stopwatch('bubblewrap with limits', [
    'sh',
    '-c',
    limitedByShell,
    'sh',
    ...bubblewrapCommand(command),
  ])
}

interface OciConfig {
  process: { terminal: boolean; args: string[]; cwd: string; user: object }
  root: { path: string; readonly: boolean }
  linux: {
    namespaces: { type: string }[]
    uidMappings?: object[]
    gidMappings?: object[]
    resources?: object
  }
}

export interface OciPeer {
  readonly watch: Stopwatch
  close(): void
}

/** runc or crun: a bundle with the same tree, all namespaces with a user namespace, memory and process limits. */
/** crun refuses hosts with both kinds of control groups, so it gets a mount namespace without the bare second kind. */
const withoutUnified = [
  'unshare',
  '-m',
  '--propagation',
  'private',
  'sh',
  '-c',
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
  'sh',
]

export function ociRuntime(path: string, command: readonly string[]): OciPeer {
  const bundle = mkdtempSync(join(tmpdir(), 'cloche-bench-oci-'))
  execFileSync('/usr/sbin/runc', ['spec', '--bundle', bundle])
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as OciConfig // runc's own template
  config.process = {
    ...config.process,
    terminal: false,
    args: [...command],
    cwd: '/',
    user: { uid: 1000, gid: 1000 },
  }
  config.root = { path: baseRoot(), readonly: true }
  for (const type of ['user', 'cgroup']) {
    if (!config.linux.namespaces.some((namespace) => namespace.type === type))
      config.linux.namespaces.push({ type })
  }
  const ids = [{ containerID: 0, hostID: 0, size: 65_536 }]
  config.linux = {
    ...config.linux,
    uidMappings: ids,
    gidMappings: ids,
    resources: {
      memory: { limit: 268_435_456 },
      pids: { limit: 128 },
      cpu: { quota: 100_000, period: 100_000 },
    },
  }
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
  const state = join(bundle, 'state')
  mkdirSync(state)
  const id = `bench-${process.pid}`
  const name = path.split('/').at(-1) ?? path
  return {
    watch: stopwatch(name, [path, '--root', state, 'run', '--bundle', bundle, id], withoutUnified),
    close: () => rmSync(bundle, { recursive: true, force: true }),
  }
}
