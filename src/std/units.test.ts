import assert from 'node:assert/strict'
import test from 'node:test'
import { formatBytes, formatDuration, parseBytes, parseDurationMs } from './units.ts'

test('durations are read with a unit and refused without one', () => {
  const cases: Record<string, number | undefined> = {
    '250ms': 250,
    '30s': 30_000,
    '1.5m': 90_000,
    '2 h': 7_200_000,
    '7d': 604_800_000,
    '0s': 0,
    '30': undefined,
    s: undefined,
    '-1s': undefined,
    '1e3s': undefined,
    '1 week': undefined,
    '': undefined,
    '99999999999999d': undefined,
  }
  for (const [text, ms] of Object.entries(cases)) assert.equal(parseDurationMs(text), ms, text)
})

test('sizes know decimal and binary units', () => {
  const cases: Record<string, number | undefined> = {
    '512b': 512,
    '64KiB': 65_536,
    '64kb': 64_000,
    '1.5 GiB': 1_610_612_736,
    '256m': 268_435_456,
    '2G': 2_147_483_648,
    '12': undefined,
    MiB: undefined,
    '1 tib': undefined,
  }
  for (const [text, bytes] of Object.entries(cases)) assert.equal(parseBytes(text), bytes, text)
})

test('what people read is short', () => {
  assert.deepEqual([0.25, 3, 840, 2400, 30_000, 185_000, 7_800_000, 604_800_000].map(formatDuration), [
    '0.3 ms',
    '3 ms',
    '840 ms',
    '2.4 s',
    '30 s',
    '3 m 5 s',
    '2 h 10 m',
    '7 d',
  ])
  assert.deepEqual([0, 1023, 1536, 268_435_456, 1_610_612_736].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '256 MiB',
    '1.5 GiB',
  ])
})
