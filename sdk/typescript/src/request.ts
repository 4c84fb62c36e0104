// An execute request as the SDK takes it (files and input may be bytes) turned into what goes over the wire: JSON, or a
// form once bytes would be large enough for base64 to matter.
import { toBase64 } from './bytes.ts'
import { UsageError } from './errors.ts'
import type { ExecuteRequest as WireRequest } from './generated/types.ts'

export type FileContent =
  | string
  | Uint8Array
  | { readonly text: string; readonly mode?: number }
  | { readonly base64: string; readonly mode?: number }

/** What to run, and in what. Exactly one of `code` and `command` must be given. */
export type ExecuteRequest = Omit<WireRequest, 'files' | 'stdin'> & {
  readonly files?: Readonly<Record<string, FileContent>>
  readonly stdin?: string | Uint8Array
}

/** Above this many bytes of binary files a form is sent: no third more for base64, no second copy in memory. */
const formFromBytes = 256 * 1024

export function bodyOf(request: ExecuteRequest): unknown {
  if (typeof request !== 'object' || request === null) {
    throw new UsageError(
      'a request is an object',
      "Call it like execute({ code: 'print(1)', language: 'python' }).",
    )
  }
  const { files = {}, ...rest } = request
  const binary = Object.entries(files).filter(isBinary)
  const size = binary.reduce((sum, [, bytes]) => sum + bytes.byteLength, 0)
  return size > formFromBytes ? formOf(request, binary) : jsonOf({ ...rest, files })
}

/** The request as one JSON value, for JSON bodies and for the stream's start message. */
export function jsonOf(request: ExecuteRequest): WireRequest {
  const { files, stdin, ...rest } = request
  const wire: WireRequest = rest
  return {
    ...wire,
    ...(stdin === undefined
      ? {}
      : { stdin: typeof stdin === 'string' ? stdin : { base64: toBase64(stdin) } }),
    ...(files === undefined || Object.keys(files).length === 0 ? {} : { files: wireFiles(files) }),
  }
}

function wireFiles(files: Readonly<Record<string, FileContent>>): NonNullable<WireRequest['files']> {
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => [
      path,
      content instanceof Uint8Array ? { base64: toBase64(content) } : content,
    ]),
  )
}

function formOf(request: ExecuteRequest, binary: readonly [string, Uint8Array][]): FormData {
  const { files = {}, ...rest } = request
  const inForm = new Set(binary.map(([path]) => path))
  const small = Object.fromEntries(Object.entries(files).filter(([path]) => !inForm.has(path)))
  const form = new FormData()
  form.set('request', JSON.stringify(jsonOf({ ...rest, files: small })))
  for (const [path, bytes] of binary) form.set(path, new Blob([new Uint8Array(bytes)]), path)
  return form
}

function isBinary(entry: [string, FileContent]): entry is [string, Uint8Array] {
  return entry[1] instanceof Uint8Array
}
