import { encodeFileHead, FileRecordReader, FilesTooLarge, isSendablePath } from '../../protocol/files.ts'
import { MAX_FRAME_PAYLOAD, ProtocolError } from '../../protocol/frames.ts'
import type { FileEntry, FileResult } from '../driver.ts'
import { execInvalid, filesRefused, filesTooLarge } from '../failures.ts'
import { builtinRequest } from './exec-request.ts'
import type { OperationHost } from './operation-host.ts'
import { NativeProcess } from './process.ts'

/** A helper's complaint, as much as is worth showing. */
const MAX_COMPLAINT_BYTES = 2048

export async function writeFiles(
  host: OperationHost,
  entries: Iterable<FileEntry>,
  signal?: AbortSignal,
): Promise<void> {
  const files = [...entries]
  for (const file of files) checkPath(file.path)
  if (files.length === 0) return
  const process = new NativeProcess(host, builtinRequest(['files-in'], true), signal)
  const complaint = collectComplaint(process)
  for (const chunk of packed(files)) await process.writeStdin(chunk)
  process.endStdin()
  const { code } = await process.exited
  if (code !== 0) throw filesRefused(complaint())
}

export async function readFiles(
  host: OperationHost,
  paths: readonly string[],
  limitBytes: number,
  signal?: AbortSignal,
): Promise<FileResult[]> {
  for (const path of paths) checkPath(path)
  if (paths.length === 0) return []
  const reader = new FileRecordReader(limitBytes)
  const process = new NativeProcess(host, builtinRequest(['files-out', ...paths], false), signal)
  let problem: Error | undefined
  const complaint = collectComplaint(process, (chunk) => {
    if (problem !== undefined) return
    problem = tryPush(reader, chunk)
    // What it still has to say does not matter any more.
    if (problem !== undefined) process.kill()
  })
  const { code } = await process.exited
  if (problem instanceof FilesTooLarge) throw filesTooLarge(limitBytes)
  if (code !== 0 && problem === undefined) throw filesRefused(complaint())
  try {
    if (problem !== undefined) throw problem
    return reader.finish()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    host.fail('protocol_error', error.message)
    throw await host.connectionLost(error.message)
  }
}

function tryPush(reader: FileRecordReader, chunk: Buffer): Error | undefined {
  try {
    reader.push(chunk)
    return undefined
  } catch (error) {
    if (error instanceof FilesTooLarge || error instanceof ProtocolError) return error
    throw error
  }
}

function checkPath(path: string): void {
  if (!isSendablePath(path)) throw execInvalid(`"${path.slice(0, 80)}" is no path`)
}

/** Small files share a frame; large ones go out as they lie. */
function* packed(files: readonly FileEntry[]): Generator<Uint8Array> {
  let gathered: Uint8Array[] = []
  let bytes = 0
  for (const file of files) {
    const head = encodeFileHead(file.path, file.mode, file.content.length)
    for (const part of [head, file.content]) {
      if (bytes > 0 && bytes + part.length > MAX_FRAME_PAYLOAD) {
        yield Buffer.concat(gathered)
        gathered = []
        bytes = 0
      }
      if (part.length > MAX_FRAME_PAYLOAD) {
        yield part
      } else {
        gathered.push(part)
        bytes += part.length
      }
    }
  }
  if (bytes > 0) yield Buffer.concat(gathered)
}

function collectComplaint(process: NativeProcess, onStdout?: (chunk: Buffer) => void): () => string {
  let text = ''
  process.onOutput((stream, chunk) => {
    if (stream === 'stdout') onStdout?.(chunk)
    else if (text.length < MAX_COMPLAINT_BYTES) text += chunk.toString('utf8', 0, MAX_COMPLAINT_BYTES)
  })
  return () => text.trim() || 'no reason was given'
}
