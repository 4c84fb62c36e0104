const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
}

/** `250ms`, `30s`, `1.5m`, `2h`, `7d` in ms; undefined for anything else, a bare number included. */
export function parseDurationMs(text: string): number | undefined {
  return parseUnits(text, DURATION_MS)
}

/** `512b`, `64KiB`, `1.5 GiB`, `200mb` in bytes (`k`, `m`, `g` alone are binary); undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  return parseUnits(text, BYTES)
}

/** For people: `840 ms`, `2.4 s`, `3 m 5 s`, `2 h 10 m`, `7 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${trim(ms, ms < 10 ? 1 : 0)} ms`
  if (ms < 60_000) return `${trim(ms / 1000, 1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return pair(Math.floor(seconds / 60), 'm', seconds % 60, 's')
  const minutes = Math.round(seconds / 60)
  if (minutes < 1440) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'm')
  const hours = Math.round(minutes / 60)
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** For people: `512 B`, `1.5 KiB`, `256 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 ** 2) return `${trim(bytes / 1024, 1)} KiB`
  if (bytes < 1024 ** 3) return `${trim(bytes / 1024 ** 2, 1)} MiB`
  return `${trim(bytes / 1024 ** 3, 1)} GiB`
}

function parseUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim())
  const unit = units[match?.[2]?.toLowerCase() ?? '']
  if (match === null || unit === undefined) return undefined
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : undefined
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)))
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}
