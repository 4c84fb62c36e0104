/*
 * server: one process that serves one data folder, from its settings to its last answer.
 *
 * Guarantees: settings are read once and refused as a whole; two servers never share a data folder; what was started is
 * taken down in reverse order, within a deadline, on SIGTERM and SIGINT; a second signal does not wait; the log holds no
 * code, variables, output or keys.
 * Does not: anything itself: it only wires the parts.
 */
import { compose } from './compose.ts'
import type { Config } from './settings.ts'

export { ConfigError, type ConfigSources, parseConfig } from './config.ts'
export { type Config, SETTINGS } from './settings.ts'

export interface Server {
  readonly url: string
  /** Resolves when the server has ended in order; rejects with what made it unable to work. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** For everything together after the drain: then the process ends regardless. */
const STOP_DEADLINE_MS = 15_000

/** Starts a server and returns when it is ready. `say` gets the lines meant for people: the ready line first. */
export async function serve(config: Config, say: (line: string) => void = console.log): Promise<Server> {
  const composed = await compose(config)
  const { log } = composed
  const ended = Promise.withResolvers<void>()
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= stopWithin(composed.stop, config['shutdown.drain'] + STOP_DEADLINE_MS).then(
      ended.resolve,
      ended.reject,
    )
    return stopping
  }
  composed.broken.catch(async (error) => {
    log.error('the server can no longer work', { error })
    await stop()
    ended.reject(error)
  })
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping !== undefined) process.exit(1)
    log.info('stopping', { signal })
    void stop()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  void ended.promise
    .catch(() => {})
    .then(() => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, onSignal)
    })
  say(`cloche ready ${composed.url}`)
  if (composed.adminKeyPath !== undefined) say(`admin key written to ${composed.adminKeyPath}`)
  return { url: composed.url, ended: ended.promise, stop }
}

async function stopWithin(stop: () => Promise<void>, deadlineMs: number): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`stopping took longer than ${deadlineMs} ms`)),
    deadlineMs,
  )
  try {
    await Promise.race([stop(), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
