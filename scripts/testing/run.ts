/**
 * Runs stages one after the other, each under a heading and with its time, and stops at the first that fails.
 * The last line is `N passed, N failed, N skipped`, counted by node's test runner.
 *
 * usage: run.ts [STAGE...]   (see stages.ts; no word means all)
 */
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { chosenStages, type Stage } from './stages.ts'

type Counts = { passed: number; failed: number; skipped: number }

const home = resolve(import.meta.dirname, '../..')
const scratch = mkdtempSync(join(tmpdir(), 'cloche-run-'))

async function main(): Promise<number> {
  const chosen = chosenStages(process.argv.slice(2))
  const total: Counts = { passed: 0, failed: 0, skipped: 0 }
  const started = performance.now()
  for (const [index, stage] of chosen.entries()) {
    say(`\n== ${stage.title} (${index + 1} of ${chosen.length}: ${stage.name})`)
    const stageStarted = performance.now()
    const counts = await runStage(stage)
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key]
    say(`== ${stage.title}: ${counts.failed === 0 ? 'good' : 'FAILED'} after ${secondsSince(stageStarted)} s`)
    if (counts.failed > 0) {
      say(`\nto repeat: scripts/test ${stage.name}`)
      break
    }
  }
  say(`\n${secondsSince(started)} s in all`)
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  return total.failed === 0 ? 0 : 1
}

async function runStage(stage: Stage): Promise<Counts> {
  if ('command' in stage) {
    const code = await run(stage.command)
    return { passed: 0, failed: code === 0 ? 0 : 1, skipped: 0 }
  }
  const files = globSync(stage.tests, { cwd: home, exclude: ['**/node_modules/**', 'build/**'] }).sort()
  if (files.length === 0) {
    say(`no file matches ${stage.tests.join(', ')}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const countFile = join(scratch, `${stage.name}.json`)
  const code = await run([
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${stage.concurrency}`,
    `--test-timeout=${stage.timeoutMs}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(home, 'scripts/testing/count.ts')}`,
    `--test-reporter-destination=${countFile}`,
    ...files,
  ])
  return countsFrom(countFile, code)
}

/** What the runner counted; a runner that died before it could count has failed. */
function countsFrom(file: string, code: number): Counts {
  const text = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
  const counts: Partial<Record<string, number>> = text === '' ? {} : JSON.parse(text)
  const failed = (counts['failed'] ?? 0) + (counts['cancelled'] ?? 0)
  return {
    passed: counts['passed'] ?? 0,
    failed: code === 0 ? failed : Math.max(failed, 1),
    skipped: (counts['skipped'] ?? 0) + (counts['todo'] ?? 0),
  }
}

function run(command: readonly string[]): Promise<number> {
  const [file = '', ...args] = command
  return new Promise((done) => {
    const child = spawn(file, args, {
      cwd: home,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, NODE_COMPILE_CACHE: join(home, '.cache/compile') },
    })
    child.once('error', (error) => {
      say(`${file}: ${error.message}`)
      done(127)
    })
    child.once('exit', (code) => done(code ?? 1))
  })
}

function secondsSince(started: number): string {
  return ((performance.now() - started) / 1000).toFixed(1)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
