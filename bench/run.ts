/** Every benchmark, or those named, one after the other in processes of their own, and the table of what was promised. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Row } from './support/benchmark.ts'

const here = dirname(fileURLToPath(import.meta.url))
const all = [
  'sandbox',
  'ephemeral-shell',
  'ephemeral-python',
  'ephemeral-node',
  'cached',
  'throughput',
  'density',
  'in-flight',
  'idle',
  'phases',
]
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !all.includes(name))
if (unknown.length > 0)
  throw new Error(`no benchmark is called ${unknown.join(', ')}; there are: ${all.join(', ')}`)
const names = asked.length > 0 ? asked : all
const failed: string[] = []
for (const name of names) {
  const run = spawnSync(process.execPath, [join(here, `${name}.ts`)], { stdio: 'inherit' })
  if (run.status !== 0) failed.push(name)
}

console.log('\nwhat was promised')
for (const name of names) {
  if (failed.includes(name)) continue
  const { rows } = JSON.parse(readFileSync(join(here, 'results', `${name}.json`), 'utf8')) as { rows: Row[] } // written by benchmark()
  for (const row of rows) {
    for (const promised of row.promised ?? [])
      console.log(`  ${promised.held ? 'held  ' : 'MISSED'} ${row.what}: ${promised.text}`)
  }
}
for (const name of failed) console.log(`  FAILED ${name} did not finish`)
process.exit(failed.length === 0 ? 0 : 1)
