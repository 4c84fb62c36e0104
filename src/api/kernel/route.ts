import type { ApiKey, Scope } from '../../model/api-key.ts'
import type { Optional, Schema, StaticObject } from '../schema/schema.ts'
import type { IncomingMessage, ServerResponse } from './node-http.ts'

export type Method = 'GET' | 'POST' | 'DELETE'

/** What a handler gets to see of one request. */
export interface Context<Query = unknown, Body = unknown> {
  readonly requestId: string
  /** Undefined on public routes only. */
  readonly caller: ApiKey | undefined
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal
  readonly incoming: IncomingMessage
  /** For streams only; whoever writes to it answers with `taken`. */
  readonly outgoing: ServerResponse
}

export type Headers = Readonly<Record<string, string>>

/** An answer as a value. `taken`: the handler has written it itself, as a stream. */
export type Answer =
  | { readonly status: number; readonly json: unknown; readonly headers?: Headers }
  | { readonly status: number; readonly text: string; readonly type: string; readonly headers?: Headers }
  | {
      readonly status: number
      readonly chunks: AsyncIterable<string | Uint8Array>
      readonly type: string
      readonly headers?: Headers
    }
  | { readonly status: 204 }
  | 'taken'

type QueryFields = { readonly [name: string]: Optional<unknown> }

/** What OpenAPI says about one status of a route. */
export interface Documented {
  readonly description: string
  readonly schema?: Schema<unknown>
  readonly type?: string
}

export interface RouteSpec<Q extends QueryFields, B> {
  readonly method: Method
  /** `{name}` is one segment. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  readonly scope: Scope | 'public'
  readonly query?: Q
  /** A JSON body of this shape; `prepare` may respell it before it is checked. */
  readonly body?: Schema<B>
  /** The handler reads the body itself (uploads). */
  readonly rawBody?: boolean
  readonly answers: Readonly<Record<number, Documented>>
  readonly handle: (context: Context<StaticObject<Q>, B>) => Promise<Answer> | Answer
}

/** A route whose types are checked already: the kernel hands over only what has passed its schemas. */
export interface Route extends Omit<RouteSpec<QueryFields, unknown>, 'handle'> {
  readonly handle: (context: Context) => Promise<Answer> | Answer
}

export function route<const Q extends QueryFields = Record<never, never>, B = undefined>(
  spec: RouteSpec<Q, B>,
): Route {
  // The kernel checks query and body against this very spec before it calls the handler with them.
  return { ...spec, handle: spec.handle as Route['handle'] }
}
