import type { ExecArgv } from '../sandbox/driver.ts'
import type { IndexUrl } from './package-sources.ts'
import type { PackageSet } from './packages.ts'

/** The folder that becomes the layer, below /workspace; executions see it at /opt/env. */
export const BUILT_FOLDER = 'env'

const PYTHON_TARGET = `/workspace/${BUILT_FOLDER}/python`
const NODE_TARGET = `/workspace/${BUILT_FOLDER}/node`
const PYTHON = ['/usr/bin/python3', '-I']
const NPM = '/usr/local/bin/npm'

/** One command of a build. `tool` says whose words its output is. */
export interface Step {
  readonly tool: 'pip' | 'npm' | 'python'
  readonly command: ExecArgv
}

export interface Indexes {
  readonly pip: IndexUrl | null
  readonly npm: IndexUrl | null
}

export function installSteps(set: PackageSet, indexes: Indexes): Step[] {
  const steps: Step[] = []
  if (set.python.length > 0) {
    steps.push({ tool: 'pip', command: command(pipArguments(set, indexes.pip)) })
    steps.push({ tool: 'python', command: command(COMPILE) })
  }
  if (set.node.length > 0) {
    steps.push({ tool: 'python', command: command(['/usr/bin/mkdir', '-p', NODE_TARGET]) })
    steps.push({ tool: 'npm', command: command(npmArguments(set, indexes.npm)) })
  }
  return steps
}

/** Prints where pip looks when nobody tells it: its index and the host of that one's files. */
export const PIP_DEFAULTS = command([
  ...PYTHON,
  '-c',
  'from pip._internal.models.index import PyPI; print(PyPI.simple_url, PyPI.file_storage_domain)',
])

export const NPM_DEFAULTS = command([NPM, 'config', 'get', 'registry'])

function pipArguments(set: PackageSet, index: IndexUrl | null): string[] {
  return [
    ...[...PYTHON, '-m', 'pip', 'install', '--target', PYTHON_TARGET],
    ...['--no-input', '--disable-pip-version-check', '--no-cache-dir', '--no-color', '--progress-bar', 'off'],
    // Compiled below in a form that outlives the copy.
    ...['--no-compile', '--no-warn-script-location', '--retries', '2', '--timeout', '20'],
    ...(set.allowInstallScripts ? [] : ['--only-binary', ':all:']),
    ...(index === null ? [] : ['--index-url', index.url]),
    ...(index?.url.startsWith('http:') ? ['--trusted-host', new URL(index.url).host] : []),
    '--',
    ...set.python,
  ]
}

/**
 * A layer is read-only and its files get new times: compiled files that name their source's time would be made again at each
 * start and never kept. Files that no Python can compile stay as they are (packages bring templates and old code).
 */
const COMPILE = [
  ...['/bin/sh', '-c', '"$@" || true', 'compile'],
  ...[...PYTHON, '-m', 'compileall', '-q', '-q', '--invalidation-mode', 'unchecked-hash'],
  ...['-s', `/workspace/${BUILT_FOLDER}`, '-p', '/opt/env', PYTHON_TARGET],
]

function npmArguments(set: PackageSet, index: IndexUrl | null): string[] {
  return [
    ...[NPM, 'install', '--prefix', NODE_TARGET, '--cache', '/tmp/npm'],
    ...(set.allowInstallScripts ? [] : ['--ignore-scripts']),
    ...['--no-audit', '--no-fund', '--no-update-notifier', '--no-progress', '--no-color'],
    ...['--fetch-retries', '2', '--fetch-retry-mintimeout', '1000', '--fetch-retry-maxtimeout', '5000'],
    ...(index === null ? [] : ['--registry', index.url]),
    ...(index?.renamed === true ? ['--replace-registry-host', 'always'] : []),
    '--',
    ...set.node,
  ]
}

function command(argv: readonly string[]): ExecArgv {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    USER: 'user',
    PIP_CONFIG_FILE: '/dev/null',
    PIP_ROOT_USER_ACTION: 'ignore',
  }
  return { kind: 'argv', argv, env, cwd: '/workspace', stdin: false }
}
