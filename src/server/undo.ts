import type { Log } from '../std/log.ts'

/** What was started, to be taken down in reverse. A step that fails does not keep the others from being taken. */
export class Undo {
  readonly #steps: Array<{ readonly what: string; readonly take: () => Promise<void> }> = []
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  add(what: string, take: () => Promise<void>): void {
    this.#steps.push({ what, take })
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.take()
      } catch (error) {
        this.#log.error('could not be stopped', { what: step.what, error })
      }
    }
  }
}
