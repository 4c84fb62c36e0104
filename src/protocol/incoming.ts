/** A connection a program in the sandbox wants to make, as init saw it. */
export interface Incoming {
  readonly connection: number
  readonly family: 4 | 6
  readonly address: string
  readonly port: number
}

/** Undefined when the family is neither: the payload's length has been checked by the frame reader. */
export function decodeIncoming(payload: Buffer): Incoming | undefined {
  const family = payload[4]
  const connection = payload.readUInt32LE(0)
  const port = payload.readUInt16LE(21)
  if (family === 4) return { connection, family, address: payload.subarray(5, 9).join('.'), port }
  if (family === 6) return { connection, family, address: formatIpv6(payload.subarray(5, 21)), port }
  return undefined
}

/** The canonical spelling (RFC 5952), so that two spellings of one address compare equal. */
export function formatIpv6(bytes: Buffer): string {
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i))
  const gap = longestZeroRun(groups)
  if (gap.length < 2) return groups.map(hex).join(':')
  const before = groups.slice(0, gap.at).map(hex).join(':')
  const after = groups
    .slice(gap.at + gap.length)
    .map(hex)
    .join(':')
  return `${before}::${after}`
}

function longestZeroRun(groups: readonly number[]): { at: number; length: number } {
  let best = { at: 0, length: 0 }
  let at = 0
  while (at < groups.length) {
    let end = at
    while (groups[end] === 0) end++
    if (end - at > best.length) best = { at, length: end - at }
    at = end + 1
  }
  return best
}

function hex(group: number): string {
  return group.toString(16)
}
