import type { Sandbox } from '../sandbox/driver.ts'
import type { Ticket } from './gate.ts'

/**
 * A standby sandbox while it is made. A claim that finds none ready adopts one: what is half made is there sooner than what
 * is not begun. At most one claim at a time.
 */
export class Making {
  readonly ticket: Ticket = { urgency: 'patient' }
  #adopter: PromiseWithResolvers<Sandbox> | undefined

  get adopted(): boolean {
    return this.#adopter !== undefined
  }

  adopt(): Promise<Sandbox> {
    this.#adopter = Promise.withResolvers()
    return this.#adopter.promise
  }

  /** The claim was given up: the sandbox stands ready for another when it is made. */
  abandon(): void {
    this.#adopter?.promise.catch(() => {})
    this.#adopter = undefined
  }

  /** True when a claim took it. */
  give(sandbox: Sandbox): boolean {
    this.#adopter?.resolve(sandbox)
    return this.adopted
  }

  /** True when a claim was told. */
  fail(reason: unknown): boolean {
    this.#adopter?.reject(reason)
    return this.adopted
  }
}
