import { readFileSync } from 'node:fs'

/** How much memory the machine has and can still give. */
export interface MemoryReadings {
  readonly totalBytes: number
  readonly availableBytes: number
}

export type ReadMemory = () => MemoryReadings

/** From the kernel's own estimate. Synchronous: the file is made in memory and read in microseconds. */
export function readMachineMemory(): MemoryReadings {
  return parseMeminfo(readFileSync('/proc/meminfo', 'utf8'))
}

export function parseMeminfo(text: string): MemoryReadings {
  return { totalBytes: field(text, 'MemTotal'), availableBytes: field(text, 'MemAvailable') }
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)
  if (match === null) throw new Error(`/proc/meminfo has no ${name}`)
  return Number(match[1]) * 1024
}
