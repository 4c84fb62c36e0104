// `cloche keys create | list | revoke`.
import { isScope, SCOPES, type Scope } from '../../model/api-key.ts'
import { connectWithKey } from '../connection.ts'
import { CliError } from '../failure.ts'
import type { ClientFlags } from '../flags.ts'
import { note, printJson, printResult, table } from '../output.ts'
import { durationOf, numberOf } from '../run-request.ts'

export type KeyFlags = ClientFlags & {
  readonly scope: readonly string[]
  readonly rate?: string
  readonly expires?: string
  readonly tenant?: string
}

export async function createKey(name: string, flags: KeyFlags): Promise<void> {
  const scopes = flags.scope.length === 0 ? (['execute'] as const) : flags.scope.map(scopeOf)
  const created = await (await connectWithKey(flags)).keys.create({
    name,
    scopes,
    ...(flags.rate === undefined ? {} : { ratePerMinute: numberOf('--rate', flags.rate) }),
    ...(flags.expires === undefined ? {} : { expiresInMs: durationOf('--expires', flags.expires) }),
    ...(flags.tenant === undefined ? {} : { tenantId: flags.tenant }),
  })
  if (flags.json === true) return printJson(created)
  printResult(`${created.key}\n`)
  note(`key ${created.keyId} (${created.scopes.join(', ')}); this is the only time its secret is shown`)
}

function scopeOf(text: string): Scope {
  if (isScope(text)) return text
  const hint = `--scope takes one of ${SCOPES.join(', ')}`
  throw new CliError('The command line was not understood', `there is no scope "${text}"`, hint)
}

export async function listKeys(flags: ClientFlags): Promise<void> {
  const list = await (await connectWithKey(flags)).keys.list()
  if (flags.json === true) return printJson(list)
  const rows = list.keys.map((key) => [
    key.keyId,
    key.name,
    `${key.prefix}…`,
    key.scopes.join(','),
    key.ratePerMinute === null ? '-' : `${key.ratePerMinute}/min`,
    key.state,
    key.lastUsedAt ?? 'never',
  ])
  printResult(table(['ID', 'NAME', 'KEY', 'SCOPES', 'RATE', 'STATE', 'LAST USED'], rows))
}

export async function revokeKey(id: string, flags: ClientFlags): Promise<void> {
  const key = await (await connectWithKey(flags)).keys.revoke(id)
  if (flags.json === true) printJson(key)
  else note(`${id} is revoked`)
}
