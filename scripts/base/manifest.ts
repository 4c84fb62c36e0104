/**
 * Writes the manifest of a built base tree and prints the hash of its content, which becomes the tree's name.
 *
 * The hash covers every path with its kind, mode, owner, link target and bytes; times are left out, because finish.sh
 * makes them all the same. Equal trees have equal names on every machine.
 *
 * usage: node manifest.ts WORK KIND RECIPE SUITE   (WORK holds root/ and packages)
 */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'

type Content = { hash: string; files: number; bytes: number }

/** Hashes the tree under `root`, in one fixed order. */
export function hashTree(root: string): Content {
  const total = createHash('sha256')
  const content = { files: 0, bytes: 0 }
  const visit = (path: string): void => {
    const stats = lstatSync(join(root, path))
    total.update(`${path}\0${describe(join(root, path), stats)}\n`)
    if (stats.isFile()) {
      content.files += 1
      content.bytes += stats.size
    }
    if (!stats.isDirectory()) return
    for (const name of readdirSync(join(root, path)).sort(byBytes)) visit(join(path, name))
  }
  visit('.')
  return { ...content, hash: total.digest('hex').slice(0, 32) }
}

function describe(path: string, stats: Stats): string {
  const owner = `${stats.uid}:${stats.gid} ${(stats.mode & 0o7777).toString(8)}`
  if (stats.isSymbolicLink()) return `link ${owner} ${readlinkSync(path)}`
  if (stats.isDirectory()) return `folder ${owner}`
  if (stats.isFile()) return `file ${owner} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  throw new Error(`${path} is neither file, folder nor link: a base tree holds nothing else`)
}

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

/** The installed packages, from lines of `name version`. */
export function packagesFrom(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line.includes(' '))
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  )
}

function writeManifest([work, kind, recipe, suite]: string[]): void {
  if (!work || !kind || !recipe || !suite) throw new Error('usage: manifest.ts WORK KIND RECIPE SUITE')
  const root = join(work, 'root')
  const content = hashTree(root)
  const manifest = {
    kind,
    hash: content.hash,
    recipe,
    suite: kind === 'debian' ? suite : null,
    architecture: arch(),
    builtAt: new Date().toISOString(),
    node: process.version,
    files: content.files,
    bytes: content.bytes,
    packages: packagesFrom(readFileSync(join(work, 'packages'), 'utf8')),
  }
  writeFileSync(join(work, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  process.stdout.write(`${content.hash}\n`)
}

if (import.meta.main) writeManifest(process.argv.slice(2))
