/*
 * The store's thread: the only owner of the database file. Whatever has arrived is worked off as one transaction with
 * one commit (group commit), and answered only after it, so that many callers share the price of one disk write.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Database, isDiskFull } from './database.ts'
import { type FromThread, type Reply, type Request, type ToThread, toFailure } from './messages.ts'
import { type Operation, operations } from './operations.ts'

/** Bounds how long the first of a flood waits for the last one that shares its commit. */
const BATCH_REQUESTS = 1024

if (parentPort === null) throw new Error('the store thread is started by the store only')
serve(parentPort, String(workerData))

function serve(port: MessagePort, path: string): void {
  let db: Database
  try {
    db = new Database(path)
  } catch (error) {
    tell(port, { kind: 'refused', failure: toFailure(error, isDiskFull) })
    port.close()
    return
  }
  port.on('message', (first: ToThread) => {
    const { requests, closing } = gather(port, first)
    for (let from = 0; from < requests.length; from += BATCH_REQUESTS) {
      tell(port, { kind: 'replies', replies: runBatch(db, requests.slice(from, from + BATCH_REQUESTS)) })
    }
    if (closing) {
      db.close()
      tell(port, { kind: 'closed' })
      port.close()
    }
  })
  tell(port, { kind: 'open' })
}

/** Everything that has arrived by now. */
function gather(port: MessagePort, first: ToThread): { requests: Request[]; closing: boolean } {
  const requests: Request[] = []
  let closing = false
  for (
    let next: ToThread | undefined = first;
    next !== undefined;
    next = receiveMessageOnPort(port)?.message
  ) {
    if (next.kind === 'close') closing = true
    else requests.push(...next.requests)
  }
  return { requests, closing }
}

function runBatch(db: Database, requests: readonly Request[]): Reply[] {
  const replies = requests.map((request) => run(db, request))
  try {
    db.commit()
    return replies
  } catch (error) {
    // Reads may have seen what was just lost, so nobody is told anything but that.
    return requests.map(({ id }) => ({ id, failure: toFailure(error, isDiskFull) }))
  }
}

function run(db: Database, { id, name, input }: Request): Reply {
  try {
    // Names and inputs come from our own typed caller; only their pairing is lost on the way through the port.
    const operation = operations[name as keyof typeof operations] as Operation<unknown, unknown>
    const output = operation.writes ? db.atomically(() => operation.run(db, input)) : operation.run(db, input)
    return { id, output }
  } catch (error) {
    return { id, failure: toFailure(error, isDiskFull) }
  }
}

function tell(port: MessagePort, message: FromThread): void {
  port.postMessage(message)
}
