/**
 * `make down`: ends the server that `make up` started, and looks whether anything of it is left on the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { forgetRecord, placeFrom, runningServer, startTicks } from './place.ts'
import { tracesOf, whatIsLeft } from './traces.ts'

const stopTimeoutMs = 40_000
// The kernel takes network namespaces down behind the last process that was in them.
const settleTimeoutMs = 10_000

async function down(): Promise<void> {
  const place = placeFrom(process.env)
  const server = runningServer(place)
  if (!server) {
    forgetRecord(place)
    say(`No Cloche started by 'make up' is running on ${place.data}.`)
    return
  }
  const traces = tracesOf(server.pid, place.data)
  const started = performance.now()
  process.kill(server.pid, 'SIGTERM')
  const gone = await until(() => startTicks(server.pid) !== server.startedTicks, stopTimeoutMs)
  if (!gone) {
    throw new Error(
      `process ${server.pid} did not end within ${stopTimeoutMs / 1000} s; its log is ${place.log}`,
    )
  }
  forgetRecord(place)
  await until(() => whatIsLeft(traces).length === 0, settleTimeoutMs)
  const left = whatIsLeft(traces)
  if (left.length > 0) throw new Error(`the server ended, but left behind:\n  ${left.join('\n  ')}`)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  say(
    `Cloche is down (${seconds} s). Checked and gone: ${traces.processes.size} processes, ${traces.groups.length} control groups, ` +
      `${traces.networks.length} network namespaces, and no mount under ${place.data} is left. Its data stays there.`,
  )
}

async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (!holds()) {
    if (performance.now() > deadline) return false
    await sleep(25)
  }
  return true
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  await down()
} catch (error) {
  process.stderr.write(`make down: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
