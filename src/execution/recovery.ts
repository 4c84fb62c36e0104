import { ClocheError } from '../model/errors.ts'
import { type ExecutionRecord, transition } from '../model/execution.ts'
import type { ExecutionParts } from './parts.ts'

/**
 * What executions of dead servers become: one that was accepted for later and has not begun waits again, now for this
 * server; one that may have begun has failed, since running it again could do harm; one whose caller was waiting on the
 * connection has nobody to answer any more.
 */
export async function recover(
  parts: Pick<ExecutionParts, 'store' | 'serverId' | 'clock' | 'log'>,
): Promise<ExecutionRecord[]> {
  const waiting: ExecutionRecord[] = []
  for (const record of await parts.store.platform.unfinished(parts.serverId)) {
    const next = afterRestart(record, parts)
    await parts.store.executions.commit(next)
    if (next.status === 'accepted') waiting.push(next)
    parts.log.info('took over an execution', { id: record.id, was: record.status, is: next.status })
  }
  return waiting
}

export function afterRestart(
  record: ExecutionRecord,
  { serverId, clock }: Pick<ExecutionParts, 'serverId' | 'clock'>,
): ExecutionRecord {
  const { code, detail } = new ClocheError('execution_interrupted', { id: record.id })
  const interrupted = { request: null, error: { code, detail } } as const
  switch (record.status) {
    case 'running':
      return transition(record, 'failed', clock.now(), interrupted)
    case 'queued':
    case 'accepted':
      if (!record.isAsync) return transition(record, 'error', clock.now(), interrupted)
      // The same state, under another server: a step of its own, so that an older copy cannot win over it.
      return { ...record, status: 'accepted', serverId, revision: record.revision + 1 }
    default:
      throw new Error(`execution ${record.id} is ${record.status} and needs no recovery`)
  }
}
