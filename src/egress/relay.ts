import type { Duplex } from 'node:stream'
import type { Clock } from '../std/clock.ts'
import type { Bandwidth } from './bandwidth.ts'

/**
 * Bytes both ways until both sides have ended or one has failed; each side's end is passed on as an end, its failure as a
 * failure. Neither direction runs ahead of its reader nor of the bandwidth. Resolves when both streams are closed.
 */
export function relay(inside: Duplex, outside: Duplex, bandwidth: Bandwidth, clock: Clock): Promise<number> {
  let bytes = 0
  const count = (size: number): void => {
    bytes += size
  }
  pump(inside, outside, bandwidth, clock, count)
  pump(outside, inside, bandwidth, clock, count)
  return new Promise((resolve) => {
    let open = 2
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => {
        if (!one.readableEnded || !one.writableFinished) other.destroy()
        open--
        if (open === 0) resolve(bytes)
      })
    }
  })
}

function pump(
  from: Duplex,
  to: Duplex,
  bandwidth: Bandwidth,
  clock: Clock,
  count: (size: number) => void,
): void {
  let waiting = 0
  const release = (): void => {
    waiting--
    if (waiting === 0 && !from.destroyed) from.resume()
  }
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    const delayMs = bandwidth.spend(chunk.length)
    if (delayMs > 0) {
      waiting++
      from.pause()
      clock.after(delayMs, release)
    }
    if (!to.destroyed && !to.write(chunk)) {
      waiting++
      from.pause()
      to.once('drain', release)
    }
  })
  from.on('end', () => to.end())
}
