// `cloche logs ID`: what an execution wrote, byte for byte, on our stdout.
import { once } from 'node:events'
import { connectWithKey } from '../connection.ts'
import type { ClientFlags } from '../flags.ts'
import { printJson } from '../output.ts'
import { numberOf } from '../run-request.ts'

export type LogFlags = ClientFlags & {
  readonly tail?: string
  readonly follow?: boolean
  readonly stream?: 'stdout' | 'stderr'
}

export async function logsCommand(id: string, flags: LogFlags): Promise<void> {
  const { executions } = await connectWithKey(flags)
  const options = {
    ...(flags.tail === undefined ? {} : { tail: numberOf('--tail', flags.tail) }),
    ...(flags.stream === undefined ? {} : { stream: flags.stream }),
  }
  if (flags.json === true) return printJson({ executionId: id, logs: await executions.logs(id, options) })
  for await (const chunk of executions.readLogs(id, { ...options, follow: flags.follow === true })) {
    if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
  }
}
