// `cloche version`: this command's version, and the server's where one can be asked.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectionError } from '../../../sdk/typescript/src/index.ts'
import { connect, whereTo } from '../connection.ts'
import type { ClientFlags } from '../flags.ts'
import { projectDir } from '../local.ts'
import { facts, note, printJson, printResult } from '../output.ts'

const askMs = 2000

export async function versionCommand(flags: ClientFlags): Promise<void> {
  const client = { version: ownVersion(), node: process.versions.node }
  const server = await serverVersion(flags)
  if (flags.json === true) return printJson({ client, server })
  printResult(
    facts([
      ['cloche', client.version],
      ['node', client.node],
    ]),
  )
  if (server === null) note(`no server at ${whereTo(flags, process.env).endpoint}`)
  else printResult(facts(Object.entries(server).map(([name, value]) => [`server ${name}`, value])))
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8'))
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isManifest ? String(manifest.version) : 'unknown'
}

/** null: there is none to ask. */
async function serverVersion(flags: ClientFlags): Promise<Readonly<Record<string, string>> | null> {
  try {
    return await connect(flags, { timeoutMs: askMs, maxRetries: 0 }).version()
  } catch (error) {
    if (error instanceof ConnectionError) return null
    throw error
  }
}
