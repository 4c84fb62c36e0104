import { randomBytes } from 'node:crypto'
import type { ExecSpec, RuntimeName } from '../sandbox/driver.ts'
import type { ExecutionRequest, InputFile, Program } from './request.ts'

/**
 * Code larger than this goes in as a file: the kernel takes 128 KiB in one argument, the protocol 64 KiB in one field and
 * 1 MiB in all.
 */
const INLINE_ARGUMENT_BYTES = 60_000
const INLINE_JOB_BYTES = 600_000

/** What the program's sandbox is best forked from. */
export function runtimeOf(program: Program): RuntimeName {
  if (program.kind === 'command') return 'bare'
  switch (program.language) {
    case 'python':
      return 'python'
    case 'javascript':
    case 'typescript':
      return 'node'
    case 'bash':
    case 'shell':
      return 'bare'
  }
}

export interface Start {
  readonly exec: ExecSpec
  /** Files the start itself needs, beside those of the request. */
  readonly files: readonly InputFile[]
}

/**
 * How to start the program in the sandbox that was got. `runtime` is what that sandbox really has: where a warm interpreter
 * was wanted and there is none, the same code is started the ordinary way.
 */
export function startOf(request: ExecutionRequest, runtime: RuntimeName, keep: boolean): Start {
  const { program } = request
  if (program.kind === 'command') return argvStart(request, program.argv)
  const { language, code, args } = program
  const large = Buffer.byteLength(code) > (runtime === 'bare' ? INLINE_ARGUMENT_BYTES : INLINE_JOB_BYTES)
  if (language === 'bash' || language === 'shell') {
    const shell = language === 'bash' ? 'bash' : 'sh'
    if (!large) return argvStart(request, [shell, '-c', code, shell, ...args])
    return argvStart(request, [shell, '/workspace/main.sh', ...args], codeFile('/workspace/main.sh', code))
  }
  if (runtime === 'bare') {
    const file = FILE_OF[language]
    return argvStart(request, [...INTERPRETER[language], file, ...args], codeFile(file, code))
  }
  const file = large ? FILE_OF[language] : null
  const job = {
    language,
    code: file === null ? code : null,
    file,
    args,
    env: request.env,
    cwd: request.cwd,
    seed: randomBytes(32).toString('hex'),
  }
  return {
    exec: { kind: 'job', job, keep, ...terminal(request) },
    files: file === null ? [] : codeFile(file, code),
  }
}

const FILE_OF = {
  python: '/workspace/main.py',
  javascript: '/workspace/main.js',
  typescript: '/workspace/main.ts',
} as const
// Node tells CommonJS from modules by the source, and compiles enums only when asked to: as in a forked one.
const NODE = ['node', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'] as const
const INTERPRETER = {
  python: ['python3'],
  javascript: NODE,
  typescript: [...NODE, '--experimental-transform-types', '--disable-warning=ExperimentalWarning'],
} as const

function codeFile(path: string, code: string): readonly InputFile[] {
  return [{ path, mode: 0o644, content: Buffer.from(code) }]
}

function argvStart(
  request: ExecutionRequest,
  argv: readonly string[],
  files: readonly InputFile[] = [],
): Start {
  return { exec: { kind: 'argv', argv, env: request.env, cwd: request.cwd, ...terminal(request) }, files }
}

function terminal(request: ExecutionRequest): Pick<ExecSpec, 'stdin' | 'pty'> {
  return {
    stdin: request.interactive || request.stdin !== null,
    ...(request.pty === null ? {} : { pty: request.pty }),
  }
}
