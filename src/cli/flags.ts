// Flags that many commands share.
import type { ConnectionFlags } from './connection.ts'

export interface JsonFlag {
  readonly json?: boolean
}

export type ClientFlags = ConnectionFlags & JsonFlag
