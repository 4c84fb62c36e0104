import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isClocheError } from '../../src/model/errors.ts'
import { NativeDriver, type NativeDriverOptions } from '../../src/sandbox/native/driver.ts'
import { baseRoot } from '../support/base-root.ts'
import { eventually, within } from '../support/eventually.ts'
import { guestPath, launcherPath, requireRealPlatform } from '../support/requirements.ts'
import { command, finish, SUITE_LIMITS, sh } from './driver/pieces.ts'
import { driverSuite } from './driver-suite.ts'

requireRealPlatform()

const folders: string[] = []
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

let drivers = 0

async function settings(): Promise<NativeDriverOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'cloche-driver-'))
  folders.push(folder)
  await mkdir(join(folder, 'run'))
  await chmod(join(folder, 'run'), 0o700)
  await mkdir(join(folder, 'layers'))
  return {
    launcher: launcherPath,
    runDir: join(folder, 'run'),
    baseRoot: await baseRoot(),
    guestDir: guestPath,
    layersDir: join(folder, 'layers'),
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    cgroup: `cloche-test-${process.pid}-${++drivers}`,
  }
}

const SPEC = { runtime: 'bare', layers: [], limits: SUITE_LIMITS, network: 'none' } as const

driverSuite('native', async () => new NativeDriver(await settings()))

test('a machine that has what it takes says so, one that lacks something says what and how to mend it', async () => {
  const good = await settings()
  const driver = new NativeDriver(good)
  const found = await driver.availability()
  assert.ok(found.available && found.facts.version === '1', JSON.stringify(found))
  await driver.close()
  const without = async (over: Partial<NativeDriverOptions>): Promise<string> => {
    const answer = await new NativeDriver({ ...good, ...over }).availability()
    return answer.available ? 'available' : `${answer.reason}; ${answer.remedy}`
  }
  assert.match(await without({ launcher: '/nowhere/launcher' }), /launcher is not there; build it/)
  assert.match(await without({ guestDir: '/nowhere' }), /holds no init; build it/)
  assert.match(await without({ baseRoot: '/nowhere' }), /is no root tree; build it/)
  assert.match(await without({ runDir: `/${'x'.repeat(100)}` }), /too long for sockets; choose a shorter/)
})

test('when the launcher dies every sandbox ends with the reason, and the next one gets another launcher', async (t) => {
  const driver = new NativeDriver(await settings())
  t.after(() => driver.close())
  const one = await driver.create(SPEC)
  const running = one.exec(command(['sleep', '60']))
  const pid = driver.launcherPid
  assert.ok(pid !== undefined)
  process.kill(pid, 'SIGKILL')
  const reason = await within(one.ended, 5000, 'the sandbox is told')
  assert.equal(reason.cause, 'launcher_lost')
  await assert.rejects(within(running.exited, 5000, 'the program is told'), (error) =>
    isClocheError(error, 'sandbox_lost'),
  )
  assert.equal(driver.count(), 0)
  const two = await driver.create(SPEC)
  assert.equal((await sh(two, 'echo back')).stdout, 'back\n')
  await driver.close()
  assert.equal((await two.ended).cause, 'destroyed')
})

test('a sandbox whose init is killed from outside ends as exited, with its last counters', async (t) => {
  const driver = new NativeDriver(await settings())
  t.after(() => driver.close())
  const one = await driver.create(SPEC)
  const running = one.exec(command(['sh', '-c', 'grep NSpid /proc/self/status; sleep 60']))
  await eventually(() => running.startedAtMs, { withinMs: 5000, what: 'it runs' })
  process.kill(await initPid(driver.launcherPid ?? 0), 'SIGKILL')
  const reason = await within(one.ended, 5000, 'the end is told')
  assert.deepEqual(reason, { cause: 'exited', detail: 'its first process ended with SIGKILL' })
  await assert.rejects(running.exited, (error) => isClocheError(error, 'sandbox_lost'))
  assert.ok((await one.destroy()).cpuUs > 0)
  assert.equal(driver.count(), 0)
})

test('python jobs run in the warm interpreter; one that is kept runs another after a reset', async (t) => {
  const driver = new NativeDriver(await settings())
  t.after(() => driver.close())
  const one = await driver.create({ ...SPEC, runtime: 'python' })
  const job = (code: string): Parameters<typeof one.exec>[0] => ({
    kind: 'job',
    keep: true,
    stdin: false,
    job: {
      language: 'python',
      code,
      file: null,
      args: ['x'],
      env: {},
      cwd: '/workspace',
      seed: '5a'.repeat(32),
    },
  })
  for (let run = 0; run < 3; run++) {
    const code = `import sys, os\nprint(sys.argv[1:], os.path.exists("left"), ${run})\nopen("left", "w")`
    const ran = await finish(one.exec(job(code)))
    assert.deepEqual([ran.stdout, ran.code], [`['x'] False ${run}\n`, 0], ran.stderr)
    await one.reset()
  }
})

/** The init below the launcher's zygote: its process is named so and is the only one. */
async function initPid(launcher: number): Promise<number> {
  const descendants = new Set([launcher])
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  for (const pid of pids.sort((a, b) => a - b)) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(stat) ?? []
    if (!descendants.has(Number(rest?.split(' ')[1]))) continue
    descendants.add(pid)
    if (name === 'init') return pid
  }
  throw new Error('no init found')
}
