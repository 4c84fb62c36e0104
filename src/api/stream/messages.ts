import { fail, type Problem } from '../../model/errors.ts'
import { isObject } from '../../std/words.ts'
import {
  conforms,
  integer,
  object,
  oneOf,
  optional,
  type Schema,
  type Static,
  string,
} from '../schema/schema.ts'

/** Signals a caller may send: those a program expects, and none of the kernel's own. */
export const SIGNALS = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGKILL',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGWINCH',
] as const

const size = integer({ minimum: 1, maximum: 4096 })

/** By their `type`. The request of a start is checked as every other request is. */
const messages = {
  attach: object({ type: oneOf(['attach']), executionId: string({ maxLength: 64 }) }),
  stdin: object({
    type: oneOf(['stdin']),
    data: string(),
    encoding: optional(oneOf(['utf8', 'base64'], { default: 'base64' })),
  }),
  stdin_eof: object({ type: oneOf(['stdin_eof']) }),
  resize: object({ type: oneOf(['resize']), cols: size, rows: size }),
  signal: object({ type: oneOf(['signal']), signal: oneOf(SIGNALS) }),
} as const

type Messages = { [Name in keyof typeof messages]: Static<(typeof messages)[Name]> }
export type ClientMessage = Messages[keyof Messages] | { readonly type: 'start'; readonly request: unknown }

/** Fails with `invalid_request` or `invalid_json`. */
export function parseMessage(data: Buffer, isBinary: boolean): ClientMessage {
  if (isBinary) return refuse('', 'must be a text message with JSON')
  const value = parsed(data)
  if (!isObject(value)) return refuse('', 'must be an object with "type"')
  const { type } = value
  if (type === 'start') {
    const extra = Object.keys(value).find((key) => key !== 'type' && key !== 'request')
    if (extra !== undefined) return refuse(extra, 'unknown key')
    return 'request' in value ? { type, request: value['request'] } : refuse('request', 'is required')
  }
  if (typeof type !== 'string' || !Object.hasOwn(messages, type)) {
    return refuse('type', `must be one of start, ${Object.keys(messages).join(', ')}`)
  }
  const problems: Problem[] = []
  // `hasOwn` has just said that it is one of the keys.
  const schema: Schema<ClientMessage> = messages[type as keyof typeof messages]
  return conforms(schema, value, problems) ? value : fail('invalid_request', { problems })
}

function parsed(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch {
    return fail('invalid_json', { reason: 'a message of the stream is one JSON value' })
  }
}

function refuse(path: string, message: string): never {
  return fail('invalid_request', { problems: [{ path, message }] })
}
