import type { Clock } from '../../std/clock.ts'
import type { EndCause } from '../driver.ts'
import type { InitConnection } from './init-connection.ts'

/** What an operation needs of the sandbox it happens in. */
export interface OperationHost {
  readonly clock: Clock
  connect(): InitConnection
  /** Ends the sandbox; the first cause counts. */
  fail(cause: EndCause, detail: string): void
  /**
   * An operation's connection went away without a last word. Resolves with the error to tell: why the sandbox ended, which
   * it has by then, because a living init never does that.
   */
  connectionLost(why: string): Promise<Error>
}

/** How long init may take over steps that need no cooperation of user code. Generous: a sandbox may be short of cpu. */
export const START_DEADLINE_MS = 30_000
export const KILL_DEADLINE_MS = 10_000
export const RESET_DEADLINE_MS = 20_000
