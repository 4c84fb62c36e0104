import { join } from 'node:path'
import { available, degraded, type Finding, unavailable } from './finding.ts'
import type { Probes } from './probes.ts'

/** What must be at /opt/cloche for each kind of start, by path in the guest folder. */
const guestParts: readonly (readonly [path: string, gives: string])[] = [
  ['init', 'every sandbox'],
  ['zygote', 'cold starts'],
  ['python', 'forked Python'],
  ['node', 'forked Node'],
]

export async function baseTree(baseDir: string, probes: Probes): Promise<Finding> {
  const title = 'base tree'
  const hash = (await probes.read(join(baseDir, 'current')))?.trim()
  if (!hash || !(await probes.exists(join(baseDir, hash, 'ok')))) {
    return unavailable(
      'platform',
      'base-tree',
      title,
      `none is ready in ${baseDir}`,
      'build it: scripts/base-tree',
    )
  }
  const manifest = parseManifest(await probes.read(join(baseDir, hash, 'manifest.json')))
  if (manifest === undefined) {
    const why = `${join(baseDir, hash)} has no readable manifest`
    return unavailable('platform', 'base-tree', title, why, 'build it anew: scripts/base-tree --rebuild')
  }
  if (manifest.kind === 'debian')
    return available('platform', 'base-tree', title, `Debian ${manifest.suite}, ${hash}`)
  const why = `${hash} is a copied subset of this machine, because no Debian tree could be built here`
  return degraded(
    'platform',
    'base-tree',
    title,
    why,
    'install debootstrap, then scripts/base-tree --rebuild',
  )
}

function parseManifest(text: string | undefined): { kind: string; suite: string } | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    if (typeof value !== 'object' || value === null || !('kind' in value) || typeof value.kind !== 'string')
      return undefined
    return { kind: value.kind, suite: 'suite' in value ? String(value.suite) : '' }
  } catch {
    return undefined // a manifest that is no JSON is as good as none
  }
}

export async function nativePrograms(buildDir: string, probes: Probes): Promise<Finding> {
  const title = 'launcher and guest programs'
  const parts = [
    ['launcher', 'sandboxes at all'] as const,
    ...guestParts.map(([path, gives]) => [`guest/${path}`, gives] as const),
  ]
  const present = await Promise.all(parts.map(([path]) => probes.exists(join(buildDir, path))))
  const missing = parts.filter((_, index) => !present[index])
  if (missing.length === 0) return available('platform', 'native-programs', title, `all are in ${buildDir}`)
  const why = `not built: ${missing.map(([path, gives]) => `${path} (${gives})`).join(', ')}`
  return unavailable('platform', 'native-programs', title, why, 'build them: make -C native')
}
