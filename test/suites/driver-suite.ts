/*
 * What every sandbox driver must do, tried on the real thing. One suite, many drivers: a test here knows only the interface
 * in src/sandbox/driver.ts. It needs `python3`, `sh` and the usual small tools in the sandbox's root.
 */
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import type { Driver, Sandbox } from '../../src/sandbox/driver.ts'
import { files, trees } from './driver/files.ts'
import { accounting, endings, resets } from './driver/life.ts'
import { dialling, egress } from './driver/network.ts'
import { type Make, SPEC } from './driver/pieces.ts'
import { programs, terminals } from './driver/programs.ts'
import { streams } from './driver/streams.ts'

/** `make` gives a driver of its own; the suite closes it. */
export function driverSuite(name: string, make: () => Promise<Driver>): void {
  describe(`driver ${name}`, () => {
    let driver: Driver
    const made: Sandbox[] = []
    const sandbox: Make = async (over = {}) => {
      const one = await driver.create({ ...SPEC, ...over })
      made.push(one)
      return one
    }
    before(async () => {
      driver = await make()
    })
    after(async () => {
      await Promise.all(made.map((one) => one.destroy()))
      assert.equal(driver.count(), 0, 'sandboxes left after every one was destroyed')
      await driver.close()
    })
    programs(sandbox)
    terminals(sandbox)
    streams(sandbox)
    files(sandbox)
    trees(sandbox)
    dialling(sandbox)
    egress(sandbox)
    resets(sandbox)
    accounting(sandbox)
    endings(sandbox, () => driver)
  })
}
