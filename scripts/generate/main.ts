// `node scripts/generate/main.ts`: writes every file that is made from a source of truth in the code. The test beside
// this file fails when one of them was edited by hand or its source has moved on.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { renderErrorReference } from '../../src/model/error-reference.ts'
import { errorsSource } from './errors.ts'
import { openapi } from './openapi.ts'
import { renderSettings } from './settings.ts'
import { typesSource } from './types.ts'

export const repository = join(import.meta.dirname, '..', '..')

/** Path in the repository → its text as it should be. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/errors.md', renderErrorReference()],
    ['docs/settings.md', renderSettings()],
    ['sdk/typescript/src/generated/errors.ts', formatted('errors.ts', errorsSource())],
    ['sdk/typescript/src/generated/types.ts', formatted('types.ts', typesSource(openapi()))],
  ])
}

/** As `make check` wants to find it. */
function formatted(name: string, source: string): string {
  const biome = join(repository, 'node_modules/@biomejs/cli-linux-x64/biome')
  const run = spawnSync(biome, ['format', `--stdin-file-path=sdk/typescript/src/generated/${name}`], {
    cwd: repository,
    input: source,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 ** 2,
  })
  if (run.status !== 0) throw new Error(`formatting ${name} failed: ${run.error?.message ?? run.stderr}`)
  return run.stdout
}

if (import.meta.main) {
  for (const [path, text] of generated()) {
    mkdirSync(dirname(join(repository, path)), { recursive: true })
    writeFileSync(join(repository, path), text)
  }
}
