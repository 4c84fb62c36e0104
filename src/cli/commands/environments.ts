// `cloche environments create | list | get | delete`.
import type { Environment } from '../../../sdk/typescript/src/index.ts'
import { formatBytes, formatDuration } from '../../std/units.ts'
import { connectWithKey } from '../connection.ts'
import { CliError } from '../failure.ts'
import type { ClientFlags } from '../flags.ts'
import { facts, note, printJson, printResult, table } from '../output.ts'

export type CreateFlags = ClientFlags & {
  readonly python: readonly string[]
  readonly node: readonly string[]
  readonly wait: boolean
}

export async function createEnvironment(name: string, flags: CreateFlags): Promise<void> {
  const spec = {
    ...(flags.python.length === 0 ? {} : { python: { packages: flags.python } }),
    ...(flags.node.length === 0 ? {} : { node: { packages: flags.node } }),
  }
  if (Object.keys(spec).length === 0) {
    const hint = 'name packages: --python requests==2.32.3 --node lodash@4'
    throw new CliError('The command line was not understood', 'an environment needs packages', hint)
  }
  const { environments } = await connectWithKey(flags)
  const begun = await environments.create({ name, ...spec })
  if (flags.wait && begun.status !== 'ready') note(`building ${name}; this can take a minute`)
  const environment = flags.wait ? await environments.wait(name) : begun
  print(environment, flags)
  if (environment.status === 'failed') process.exitCode = 1
}

export async function listEnvironments(flags: ClientFlags): Promise<void> {
  const list = await (await connectWithKey(flags)).environments.list()
  if (flags.json === true) return printJson(list)
  const rows = list.environments.map(({ name, status, spec, layerBytes }) => [
    name ?? '-',
    status,
    layerBytes === null ? '-' : formatBytes(layerBytes),
    [...(spec.python?.packages ?? []), ...(spec.node?.packages ?? [])].join(' '),
  ])
  printResult(table(['NAME', 'STATUS', 'SIZE', 'PACKAGES'], rows))
  if (rows.length === 0)
    note('there are none; make one with: cloche environments create NAME --python PACKAGE')
}

export async function getEnvironment(name: string, flags: ClientFlags): Promise<void> {
  print(await (await connectWithKey(flags)).environments.get(name), flags)
}

export async function deleteEnvironment(name: string, flags: ClientFlags): Promise<void> {
  await (await connectWithKey(flags)).environments.delete(name)
  if (flags.json !== true) note(`${name} is deleted`)
}

function print(environment: Environment, flags: ClientFlags): void {
  if (flags.json === true) return printJson(environment)
  const { name, status, spec, layerBytes, buildMs, error, createdAt } = environment
  printResult(
    facts([
      ['name', name],
      ['status', status],
      ['reason', error === undefined ? undefined : `${error.detail} [${error.code}]`],
      ['python', spec.python?.packages.join(' ')],
      ['node', spec.node?.packages.join(' ')],
      ['size', layerBytes === null ? null : formatBytes(layerBytes)],
      ['built in', buildMs === null ? null : formatDuration(buildMs)],
      ['created', createdAt],
    ]),
  )
}
