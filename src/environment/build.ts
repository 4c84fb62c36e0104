import { isClocheError } from '../model/errors.ts'
import type { LayerHash } from '../model/ids.ts'
import type { Driver, EgressChannel, ExecArgv, ExitStatus, Sandbox } from '../sandbox/driver.ts'
import { deadline } from '../std/abort.ts'
import type { Clock } from '../std/clock.ts'
import type { Log } from '../std/log.ts'
import { BuildLog } from './build-log.ts'
import { BuildFailed, explain, OUT_OF_MEMORY, tookTooLong } from './explain.ts'
import { BUILT_FOLDER, type Indexes, installSteps, NPM_DEFAULTS, PIP_DEFAULTS, type Step } from './install.ts'
import type { LayerFolder } from './layer-folder.ts'
import { LayerRefused, LayerWriter } from './layer-writer.ts'
import { InstalledWatch, type Manifest } from './manifest.ts'
import { hostsIn, type IndexPlace } from './package-sources.ts'
import type { PackageSet } from './packages.ts'
import type { EnvironmentSettings } from './settings.ts'

/** How a build reaches the package indexes and nothing else. */
export interface IndexEgress {
  serve(
    channel: EgressChannel,
    allowed: { readonly allow: readonly string[] },
    sandboxId: string,
    vouched: readonly IndexPlace[],
  ): { close(): void }
}

export interface BuildParts {
  readonly settings: EnvironmentSettings
  readonly indexes: Indexes
  readonly driver: Pick<Driver, 'create'>
  readonly egress: IndexEgress
  readonly layers: LayerFolder
  readonly clock: Clock
  readonly log: Log
}

/**
 * Installs the set in a sandbox of its own and keeps what came out as the layer of this hash. Fails with `BuildFailed` for
 * what the packages or their index caused, with the platform's own errors for the rest.
 */
export async function buildLayer(
  parts: BuildParts,
  set: PackageSet,
  hash: LayerHash,
  log: BuildLog,
  outer: AbortSignal,
): Promise<Manifest> {
  const { settings, driver, clock } = parts
  const limit = deadline(clock, settings.buildTimeoutMs, () => tookTooLong(settings.buildTimeoutMs), outer)
  const { signal } = limit
  try {
    const spec = { runtime: 'bare', layers: [], limits: settings.limits, network: 'egress' } as const
    const sandbox = await driver.create(spec, signal)
    try {
      await install(parts, sandbox, set, log, signal)
      return await takeOut(parts, sandbox, set, hash, signal)
    } catch (error) {
      throw asBuildFailure(error, sandbox)
    } finally {
      await sandbox
        .destroy()
        .catch((error) => parts.log.error('a build sandbox could not be destroyed', { error }))
    }
  } catch (error) {
    // Whatever broke when the time was over broke because of that.
    throw signal.aborted ? signal.reason : error
  } finally {
    limit.clear()
  }
}

async function install(
  parts: BuildParts,
  sandbox: Sandbox,
  set: PackageSet,
  log: BuildLog,
  signal: AbortSignal,
): Promise<void> {
  const { allow, places } = await reachable(parts, sandbox, set, signal)
  const session = parts.egress.serve(sandbox.egress(), { allow }, sandbox.id, places)
  try {
    for (const step of installSteps(set, parts.indexes)) await runStep(parts, sandbox, set, step, log, signal)
  } finally {
    session.close()
  }
}

/** The hosts of the indexes: those of the settings, or what the tools have by default. */
async function reachable(
  { indexes, settings }: BuildParts,
  sandbox: Sandbox,
  set: PackageSet,
  signal: AbortSignal,
): Promise<{ readonly allow: string[]; readonly places: IndexPlace[] }> {
  const wanted = [
    ...(set.python.length > 0 ? [{ index: indexes.pip, ask: PIP_DEFAULTS }] : []),
    ...(set.node.length > 0 ? [{ index: indexes.npm, ask: NPM_DEFAULTS }] : []),
  ]
  const allow = [...settings.indexHosts]
  for (const { index, ask } of wanted) {
    if (index !== null) continue
    // Nothing of the packages has run yet: the answer is the base tree's own.
    const answer = new BuildLog()
    await run(sandbox, ask, answer, signal)
    allow.push(...hostsIn(answer.text))
  }
  return { allow, places: wanted.flatMap(({ index }) => index?.place ?? []) }
}

async function runStep(
  { settings }: BuildParts,
  sandbox: Sandbox,
  set: PackageSet,
  step: Step,
  log: BuildLog,
  signal: AbortSignal,
): Promise<void> {
  log.write(`$ ${step.command.argv.join(' ')}\n`)
  const output = new BuildLog()
  const exit = await run(sandbox, step.command, output, signal, log)
  if (exit.code === 0) return
  const usage = await sandbox.usage()
  throw new BuildFailed(
    explain({
      tool: step.tool,
      output: output.text,
      exit,
      outOfMemory: usage.oomKills > 0,
      allowInstallScripts: set.allowInstallScripts,
      diskBytes: settings.limits.diskBytes,
    }),
  )
}

function run(
  sandbox: Sandbox,
  command: ExecArgv,
  output: BuildLog,
  signal: AbortSignal,
  log?: BuildLog,
): Promise<ExitStatus> {
  const process = sandbox.exec(command, signal)
  process.onOutput((_, chunk) => {
    output.write(chunk)
    log?.write(chunk)
  })
  return process.exited
}

async function takeOut(
  { layers, settings, clock }: BuildParts,
  sandbox: Sandbox,
  set: PackageSet,
  hash: LayerHash,
  signal: AbortSignal,
): Promise<Manifest> {
  const draft = await layers.begin()
  const writer = new LayerWriter(draft.folder, BUILT_FOLDER, settings.layer)
  const watch = new InstalledWatch(BUILT_FOLDER)
  try {
    await sandbox.readTree(
      BUILT_FOLDER,
      async (part) => {
        await writer.take(part)
        watch.see(part)
      },
      signal,
    )
    const manifest: Manifest = {
      format: 1,
      requested: set,
      installed: watch.installed(),
      entries: writer.entries,
      bytes: writer.bytes,
      builtAt: new Date(clock.now()).toISOString(),
    }
    signal.throwIfAborted()
    await draft.keep(hash, manifest)
    return manifest
  } catch (error) {
    await writer.close()
    await draft.discard()
    throw error
  }
}

/** What the packages can cause is a failed build; a platform that broke is not. */
function asBuildFailure(error: unknown, { endReason }: Sandbox): unknown {
  if (error instanceof LayerRefused) return new BuildFailed(error.message, { cause: error })
  const { cause = 'none' } = endReason ?? {}
  if (cause === 'oom') return new BuildFailed(OUT_OF_MEMORY, { cause: error })
  const broken = cause === 'exited' || cause === 'protocol_error' || cause === 'unresponsive'
  if (broken || isClocheError(error, 'files_refused') || isClocheError(error, 'program_not_started'))
    return new BuildFailed(isClocheError(error) ? error.detail.replace(/\.$/, '') : cause, { cause: error })
  return error
}
