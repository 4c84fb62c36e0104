import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { forgetRecord, placeFrom, runningServer, startTicks, writeRecord } from './place.ts'
import { tracesOf, whatIsLeft } from './traces.ts'

test('a recorded server is found while it runs, and not once it is gone or its pid is another process', async (context) => {
  const data = mkdtempSync(join(tmpdir(), 'cloche-place-'))
  context.after(() => rmSync(data, { recursive: true, force: true }))
  const place = placeFrom({ DATA: data })
  assert.equal(runningServer(place), undefined)
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  const record = { pid, startedTicks: startTicks(pid) ?? '', url: 'http://127.0.0.1:1' }
  writeRecord(place, record)
  assert.deepEqual(runningServer(place), record)
  writeRecord(place, { ...record, startedTicks: '1' })
  assert.equal(runningServer(place), undefined)
  writeRecord(place, record)
  child.kill()
  await once(child, 'exit')
  assert.equal(runningServer(place), undefined)
  forgetRecord(place)
  writeFileSync(place.record, '{}')
  assert.equal(runningServer(place), undefined)
})

test('a process below the server that outlives it is named as left behind', async (context) => {
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [printed] = await once(parent.stdout, 'data')
  const orphan = Number(String(printed))
  context.after(() => process.kill(orphan, 'SIGKILL'))
  const traces = tracesOf(parent.pid ?? 0, '/nonexistent')
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  assert.deepEqual(whatIsLeft(traces), [`process ${orphan} (sleep)`])
})
