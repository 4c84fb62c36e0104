/** A reporter for node's test runner that writes nothing but the final counts, for the closing line of a whole run. */
import type { TestEvent } from 'node:test/reporters'

export default async function* count(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    // One summary comes for each file and one, without a file, for all of them.
    if (event.type === 'test:summary' && event.data.file === undefined)
      yield `${JSON.stringify(event.data.counts)}\n`
  }
}
