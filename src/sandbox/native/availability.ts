import { access, constants, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { NativeSettings } from './launcher-requests.ts'

/** A unix socket's path has at most 107 bytes; the launcher adds an id and an ending to the folder. */
const MAX_RUN_DIR_BYTES = 107 - '/0123456789abcdef.sock'.length

/** The first thing that is not there, and what to do about it; undefined when the launcher can be started. */
export async function missingPrerequisite(
  settings: NativeSettings,
): Promise<{ reason: string; remedy: string } | undefined> {
  if (process.platform !== 'linux')
    return missing(`this is ${process.platform}`, 'run Cloche on Linux 5.19 or newer')
  if (process.geteuid?.() !== 0) {
    return missing('the launcher needs root to make namespaces', 'start the server as root, or with sudo')
  }
  if (Buffer.byteLength(settings.runDir) > MAX_RUN_DIR_BYTES) {
    return missing(
      `the path ${settings.runDir} is too long for sockets`,
      'choose a shorter data folder with --data',
    )
  }
  if (!(await isExecutable(settings.launcher))) {
    return missing(`${settings.launcher} is not there`, 'build it: make -C native')
  }
  if (!(await isExecutable(join(settings.guestDir, 'init')))) {
    return missing(`${settings.guestDir} holds no init`, 'build it: make -C native')
  }
  if (!(await isFolder(join(settings.baseRoot, 'usr')))) {
    return missing(`${settings.baseRoot} is no root tree`, 'build it: scripts/base-tree')
  }
  return undefined
}

function missing(reason: string, remedy: string): { reason: string; remedy: string } {
  return { reason, remedy }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
