import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClocheError } from '../model/errors.ts'

/** The tree every sandbox is made of, by the hash of its content. */
export interface BaseTree {
  readonly hash: string
  readonly root: string
}

export function currentBaseTree(baseDir: string): BaseTree {
  const hash = readText(join(baseDir, 'current'))
  if (hash === undefined || !/^[0-9a-f]{16,64}$/.test(hash) || !existsSync(join(baseDir, hash, 'ok'))) {
    throw new ClocheError('sandbox_unavailable', {
      driver: 'native',
      reason: `no base tree is ready in ${baseDir}; scripts/base-tree builds one`,
    })
  }
  return { hash, root: join(baseDir, hash, 'root') }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
