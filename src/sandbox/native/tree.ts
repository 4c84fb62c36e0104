import { isSendablePath } from '../../protocol/files.ts'
import { ProtocolError } from '../../protocol/frames.ts'
import { type TreePart, TreeReader } from '../../protocol/tree.ts'
import { execInvalid, filesRefused } from '../failures.ts'
import { builtinRequest } from './exec-request.ts'
import type { OperationHost } from './operation-host.ts'
import { NativeProcess } from './process.ts'

const MAX_COMPLAINT_CHARS = 2048

/** Hands the parts on one after the other; the sandbox waits while one is being taken. */
export async function readTree(
  host: OperationHost,
  path: string,
  take: (part: TreePart) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  if (!isSendablePath(path)) throw execInvalid(`"${path.slice(0, 80)}" is no path`)
  const reader = new TreeReader()
  const process = new NativeProcess(host, builtinRequest(['files-out', '--tree', path], false), signal)
  let complaint = ''
  let problem: { readonly error: unknown } | undefined
  let waiting = 0
  let taking = Promise.resolve()
  const takeAll = async (chunk: Buffer): Promise<void> => {
    try {
      for (const part of problem === undefined ? reader.read(chunk) : []) await take(part)
    } catch (error) {
      problem ??= { error }
      // What it still has to say does not matter any more.
      process.kill()
    }
    if (--waiting === 0) process.resume()
  }
  process.onOutput((stream, chunk) => {
    if (stream === 'stderr') {
      if (complaint.length < MAX_COMPLAINT_CHARS) complaint += chunk.toString('utf8', 0, MAX_COMPLAINT_CHARS)
      return
    }
    if (waiting++ === 0) process.pause()
    taking = taking.then(() => takeAll(chunk))
  })
  const { code } = await process.exited.finally(() => taking)
  if (problem === undefined && code !== 0) throw filesRefused(complaint.trim() || 'no reason was given')
  try {
    if (problem !== undefined) throw problem.error
    reader.finish()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    host.fail('protocol_error', error.message)
    throw await host.connectionLost(error.message)
  }
}
