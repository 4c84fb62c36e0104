export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, unknown>>

/**
 * One JSON object a line. What is written is what a caller passes by name, so code, variables, output and keys of users
 * stay out as long as nobody names them; errors are reduced to their words and stack.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export function createLog(level: LogLevel, write: (line: string) => void, now: () => number = Date.now): Log {
  const lowest = LOG_LEVELS.indexOf(level)
  const at =
    (name: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (LOG_LEVELS.indexOf(name) < lowest) return
      const shown = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)]))
      write(`${JSON.stringify({ time: new Date(now()).toISOString(), level: name, message, ...shown })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const silentLog: Log = createLog('off', () => {})

const DEEPEST_CAUSE = 5

function plain(value: unknown, depth = 0): unknown {
  if (!(value instanceof Error)) return value
  return {
    name: value.name,
    message: value.message,
    stack: value.stack
      ?.split('\n')
      .slice(1, 6)
      .map((line) => line.trim()),
    ...('code' in value ? { code: value.code } : {}),
    ...(value.cause === undefined || depth >= DEEPEST_CAUSE ? {} : { cause: plain(value.cause, depth + 1) }),
  }
}
