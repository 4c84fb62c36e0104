// Which server a client command talks to and with which key. By flag, else environment, else what a server of this
// machine left in its data folder: `run/endpoint` (its URL) and `admin.key`, where this user may read them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cloche, type ClocheOptions, defaultEndpoint } from '../../sdk/typescript/src/index.ts'
import { CliError } from './failure.ts'
import { dataDirFrom, type Variables } from './local.ts'

export interface ConnectionFlags {
  readonly endpoint?: string
  readonly apiKey?: string
  readonly data?: string
}

export function connect(
  flags: ConnectionFlags,
  options: Pick<ClocheOptions, 'timeoutMs' | 'maxRetries'> = {},
): Cloche {
  return new Cloche({ ...whereTo(flags, process.env), ...options })
}

export function whereTo(flags: ConnectionFlags, env: Variables): { endpoint: string; apiKey?: string } {
  const dataDir = dataDirFrom(flags, env)
  const named = flags.endpoint ?? env['CLOCHE_ENDPOINT'] ?? env['FAAS_API_URL']
  const local = readIfAllowed(join(dataDir, 'run', 'endpoint'))
  const apiKey =
    flags.apiKey ?? env['CLOCHE_API_KEY'] ?? env['FAAS_API_KEY'] ?? localKey(named, local, dataDir)
  const endpoint = named ?? local ?? defaultEndpoint
  return apiKey === undefined ? { endpoint } : { endpoint, apiKey }
}

/** The data folder's admin key goes only to the server of that folder, never to whatever else an endpoint names. */
function localKey(named: string | undefined, local: string | undefined, dataDir: string): string | undefined {
  if (named !== undefined && (local === undefined || serverOf(named) !== serverOf(local))) return undefined
  return readIfAllowed(join(dataDir, 'admin.key'))
}

/** Host and port, with one spelling for this machine. */
function serverOf(endpoint: string): string {
  if (!URL.canParse(endpoint)) return endpoint
  const { protocol, hostname, port } = new URL(endpoint)
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return `${protocol}//${isLoopback ? 'localhost' : hostname}:${port}`
}

function readIfAllowed(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

/**
 * The client for a command that needs a key. Without one nothing is sent but the question whether there is a server at
 * all: the server's 401 could not say where this command looked.
 */
export async function connectWithKey(flags: ConnectionFlags): Promise<Cloche> {
  const { apiKey } = whereTo(flags, process.env)
  if (apiKey !== undefined) return connect(flags)
  await connect(flags).health()
  throw new CliError(
    'No API key',
    `neither --api-key nor CLOCHE_API_KEY is given, and ${join(dataDirFrom(flags, process.env), 'admin.key')} does not help: it cannot be read, or belongs to another server than the endpoint that is named`,
    'give a key, or run this as the user whose server keeps its data there (--data DIR names another folder)',
    1,
    'no_api_key',
  )
}
