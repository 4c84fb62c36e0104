import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isClocheError } from '../../../src/model/errors.ts'
import type { Driver } from '../../../src/sandbox/driver.ts'
import { eventually, within } from '../../support/eventually.ts'
import { command, finish, type Make, SPEC, SUITE_LIMITS, sh } from './pieces.ts'

export function resets(make: Make): void {
  test('after a reset no file, process or shared memory of the run before is left', async () => {
    const one = await make()
    await sh(
      one,
      'echo s > secret; mkdir -p a/b; echo s > /tmp/.x; echo s > /dev/shm/s; echo s > /var/tmp/t; (setsid sleep 90 &) ; ipcmk -M 100 || true',
    )
    await within(one.reset(), 10_000, 'it is reset')
    const left = await sh(
      one,
      'find /workspace /tmp /var/tmp /dev/shm -mindepth 1; pgrep -x sleep; tail -n +2 /proc/sysvipc/shm',
    )
    assert.equal(left.stdout, '')
    await one.reset()
    assert.equal((await sh(one, 'echo again')).stdout, 'again\n')
  })
}

const SPIN = 'import time\nend=time.process_time()+0.3\nwhile time.process_time()<end: pass'

export function accounting(make: Make): void {
  test('cpu and memory are counted, and counted anew on request', async () => {
    const one = await make()
    await finish(one.exec(command(['python3', '-c', SPIN])))
    await finish(one.exec(command(['python3', '-c', 'x = b"x" * (50 << 20)'])))
    const usage = await one.usage(true)
    assert.ok(usage.cpuUs >= 300_000, `${usage.cpuUs} µs`)
    assert.ok(usage.peakMemoryBytes >= 50 << 20, `${usage.peakMemoryBytes} bytes`)
    const anew = await one.usage()
    assert.ok(anew.cpuUs < 100_000, `${anew.cpuUs} µs after counting anew`)
    assert.ok(anew.peakMemoryBytes < 50 << 20, `${anew.peakMemoryBytes} bytes after counting anew`)
  })

  test('memory beyond the limit kills the program, not the sandbox; a raised limit lets it live', async () => {
    const one = await make()
    const eat = command(['python3', '-c', 'x = b"x" * (400 << 20); print(len(x))'])
    assert.equal((await finish(one.exec(eat))).signal, 'SIGKILL')
    assert.ok((await one.usage()).oomKills > 0)
    assert.equal(one.endReason, undefined)
    await one.limit({ ...SUITE_LIMITS, memoryBytes: 600 << 20 })
    assert.equal((await finish(one.exec(eat))).code, 0)
  })

  test('a frozen sandbox stands still until it is thawed', async () => {
    const one = await make()
    const process = one.exec(command(['sh', '-c', 'while :; do echo tick; sleep 0.02; done']))
    let ticks = 0
    process.onOutput(() => ticks++)
    await eventually(() => ticks > 2, { withinMs: 5000, what: 'it ticks' })
    await one.freeze()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const frozen = ticks
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(ticks, frozen)
    await one.thaw()
    await eventually(() => ticks > frozen + 2, { withinMs: 5000, what: 'it ticks again' })
    process.kill()
    await process.exited
  })
}

export function endings(make: Make, driver: () => Driver): void {
  test('destroying ends what runs, tells why, and may be asked twice', async () => {
    const one = await make()
    const before = driver().count()
    const process = one.exec(command(['sleep', '60']))
    await eventually(() => process.startedAtMs, { withinMs: 5000, what: 'it runs' })
    const [first, second] = await within(
      Promise.all([one.destroy(), one.destroy()]),
      10_000,
      'it is destroyed',
    )
    assert.deepEqual(first, second)
    assert.ok(first.cpuUs > 0)
    assert.equal((await one.ended).cause, 'destroyed')
    await assert.rejects(within(process.exited, 5000, 'the program is told'), (error) =>
      isClocheError(error, 'sandbox_lost'),
    )
    assert.throws(
      () => one.exec(command(['true'])),
      (error) => isClocheError(error, 'sandbox_lost'),
    )
    await assert.rejects(one.reset(), (error) => isClocheError(error, 'sandbox_lost'))
    assert.deepEqual(await one.usage(), first)
    assert.equal(driver().count(), before - 1)
  })

  test('a create that is given up leaves nothing', async () => {
    const before = driver().count()
    const controller = new AbortController()
    const creating = driver().create(SPEC, controller.signal)
    controller.abort(new Error('never mind'))
    await assert.rejects(creating, /never mind/)
    await eventually(() => driver().count() === before, { withinMs: 10_000, what: 'it is gone' })
  })

  test('what cannot be made is refused with a reason', async () => {
    const layers = ['f'.repeat(64)]
    await assert.rejects(driver().create({ ...SPEC, layers }), (error) =>
      isClocheError(error, 'sandbox_start_failed'),
    )
  })

  test('thirty sandboxes are made, used and destroyed at once', async () => {
    const all = await Promise.all(Array.from({ length: 30 }, () => make()))
    const said = await Promise.all(all.map((one, i) => sh(one, `echo ${i}`)))
    assert.deepEqual(
      said.map((ran) => Number(ran.stdout)),
      all.map((_, i) => i),
    )
    assert.equal(new Set(all.map((one) => one.id)).size, 30)
    await Promise.all(all.map((one) => one.destroy()))
  })
}
