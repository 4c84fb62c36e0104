import type { Readable } from 'node:stream'
import type { BusboyConstructor, BusboyInstance } from '@fastify/busboy'
import type { Blobs } from '../blobs/blobs.ts'
import type { InputFile } from '../execution/request.ts'
import { ClocheError, fail, isClocheError } from '../model/errors.ts'
import { REQUEST_LIMITS } from '../model/limits.ts'
import { type BodyLimits, parseJson, watchBody } from './kernel/body.ts'
import type { IncomingMessage } from './kernel/node-http.ts'
import { pathProblem } from './schema/execute-request.ts'

export interface UploadLimits {
  readonly body: BodyLimits
  /** One file. */
  readonly fileBytes: number
  /** All files of a request. */
  readonly totalBytes: number
  /** A whole upload must be there by then. */
  readonly totalMs: number
}

export interface Form {
  /** The JSON of the field `request`. */
  readonly request: unknown
  readonly files: readonly InputFile[]
}

/** A form: field `request` with the JSON, every other part a file named by its path. Files go to blobs as they come. */
export async function readForm(incoming: IncomingMessage, blobs: Blobs, limits: UploadLimits): Promise<Form> {
  // Loaded when the first form comes: most servers never see one.
  const { Busboy } = await import('@fastify/busboy')
  const parser = openParser(Busboy, incoming)
  const form = new FormReader(blobs, limits)
  const watch = watchBody(incoming, { idleMs: limits.body.idleMs, totalMs: limits.totalMs }, (error) =>
    form.fail(error),
  )
  parser.on('field', (name, value, _nameCut, valueCut) => form.field(name, value, valueCut))
  parser.on('file', (name, content) => form.file(name, content))
  parser.on('partsLimit', () => form.fail(invalid('', `must have at most ${REQUEST_LIMITS.files} files`)))
  parser.on('error', (error) => form.fail(invalid('', 'is not a well-formed multipart body', error)))
  parser.on('finish', () => void form.end())
  incoming.pipe(parser)
  try {
    return await form.done
  } finally {
    watch.stop()
    incoming.unpipe(parser)
    incoming.pause()
    parser.destroy()
  }
}

function openParser(Parser: BusboyConstructor, incoming: IncomingMessage): BusboyInstance {
  try {
    return new Parser({
      headers: { ...incoming.headers, 'content-type': incoming.headers['content-type'] ?? '' },
      preservePath: true,
      limits: {
        parts: REQUEST_LIMITS.files + 1,
        fieldSize: REQUEST_LIMITS.bodyBytes,
        fieldNameSize: REQUEST_LIMITS.pathBytes,
      },
    })
  } catch (error) {
    throw invalid('', 'has a content type without a boundary', error)
  }
}

class FormReader {
  readonly done: Promise<Form>
  readonly #blobs: Blobs
  readonly #limits: UploadLimits
  readonly #settled = Promise.withResolvers<Form>()
  readonly #files = new Map<string, Promise<InputFile>>()
  readonly #stop = new AbortController()
  #request: { readonly json: unknown } | undefined
  #bytes = 0

  constructor(blobs: Blobs, limits: UploadLimits) {
    this.#blobs = blobs
    this.#limits = limits
    this.done = this.#settled.promise
  }

  fail(error: unknown): void {
    this.#settled.reject(error)
    this.#stop.abort(error)
  }

  field(name: string | undefined, value: string, truncated: boolean): void {
    try {
      if (truncated)
        fail('payload_too_large', { what: 'The field "request"', limitBytes: REQUEST_LIMITS.bodyBytes })
      if (name !== 'request') throw invalid(name ?? '', 'is no field of the form; a file needs a file name')
      if (this.#request !== undefined) throw invalid('request', 'is given twice')
      this.#request = { json: parseJson(Buffer.from(value)) }
    } catch (error) {
      this.fail(error)
    }
  }

  file(name: string | undefined, content: Readable): void {
    // A form that breaks off breaks this part too, also when nobody reads it any more; whoever reads it says so.
    content.on('error', () => {})
    // A part called `request` may come as a file too, as some clients send JSON.
    if (name === 'request') return void this.#requestFile(content)
    const problem = name === undefined || name === '' ? 'a file needs a name: its path' : pathProblem(name)
    if (problem !== undefined || name === undefined || this.#files.has(name)) {
      content.resume()
      return this.fail(invalid(`files[${JSON.stringify(name ?? '')}]`, problem ?? 'is given twice'))
    }
    const stored = this.#store(name, content)
    stored.catch((error) => {
      content.resume()
      this.fail(error)
    })
    this.#files.set(name, stored)
  }

  /** The parser has nothing more. */
  async end(): Promise<void> {
    try {
      const files = await Promise.all(this.#files.values())
      if (this.#request === undefined) throw invalid('request', 'is required: the field with the JSON')
      this.#settled.resolve({ request: this.#request.json, files })
    } catch (error) {
      this.fail(error)
    }
  }

  async #requestFile(content: Readable): Promise<void> {
    const chunks: Buffer[] = []
    let size = 0
    content.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= REQUEST_LIMITS.bodyBytes) chunks.push(chunk)
    })
    content.on('end', () =>
      this.field('request', Buffer.concat(chunks).toString(), size > REQUEST_LIMITS.bodyBytes),
    )
  }

  async #store(path: string, content: Readable): Promise<InputFile> {
    const what = `The file "${path}"`
    const { hash, bytes } = await this.#blobs.put(this.#counted(content), {
      limitBytes: this.#limits.fileBytes,
      what,
      signal: this.#stop.signal,
    })
    return { path, mode: 0o644, blob: hash, bytes }
  }

  async *#counted(content: Readable): AsyncGenerator<Buffer, void, void> {
    try {
      for await (const chunk of content) {
        this.#bytes += chunk.length
        if (this.#bytes > this.#limits.totalBytes) {
          fail('payload_too_large', { what: 'All files together', limitBytes: this.#limits.totalBytes })
        }
        yield chunk
      }
    } catch (error) {
      throw isClocheError(error) ? error : invalid('', 'is not a well-formed multipart body', error)
    }
  }
}

function invalid(path: string, message: string, cause?: unknown): ClocheError {
  return new ClocheError('invalid_request', { problems: [{ path, message }] }, { cause })
}
