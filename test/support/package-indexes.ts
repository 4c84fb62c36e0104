/**
 * A pip simple index and an npm registry on this machine's loopback, serving packages made on the spot, so that tests
 * of environments need no index of the world.
 */
import { createHash } from 'node:crypto'
import http from 'node:http'
import { crc32, gzipSync } from 'node:zlib'

export interface PythonPackage {
  readonly name: string
  readonly version: string
  /** Module files by path inside the wheel. */
  readonly files: Readonly<Record<string, string>>
  readonly requires?: readonly string[]
}

export interface NodePackage {
  readonly name: string
  readonly version: string
  readonly files: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

export interface PackageIndexes {
  readonly pipIndexUrl: string
  readonly npmRegistryUrl: string
  readonly port: number
  /** Paths asked for so far. */
  readonly requests: readonly string[]
  close(): void
}

/** A zip archive without compression: what a wheel is. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const bodies: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [path, text] of Object.entries(files)) {
    const name = Buffer.from(path)
    const data = Buffer.from(text)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x21, 8) // 1980-01-01, the first day zip knows
    common.writeUInt32LE(crc32(data), 10)
    common.writeUInt32LE(data.length, 14)
    common.writeUInt32LE(data.length, 18)
    common.writeUInt16LE(name.length, 22)
    const body = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, data])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(0o100644 * 65536, 6)
    rest.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, name]))
    bodies.push(body)
    offset += body.length
  }
  const listing = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(bodies.length, 4)
  end.writeUInt16LE(bodies.length, 6)
  end.writeUInt32LE(listing.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...bodies, listing, Buffer.from('PK\x05\x06', 'latin1'), end])
}

function wheel(one: PythonPackage): Buffer {
  const info = `${one.name}-${one.version}.dist-info`
  const requires = (one.requires ?? []).map((name) => `Requires-Dist: ${name}\n`).join('')
  const files: Record<string, string> = {
    ...one.files,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${one.name}\nVersion: ${one.version}\n${requires}`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  }
  const listed = [...Object.keys(files), `${info}/RECORD`].map((path) => `${path},,\n`).join('')
  return zip({ ...files, [`${info}/RECORD`]: listed })
}

function tarEntry(path: string, text: string): Buffer {
  const data = Buffer.from(text)
  const head = Buffer.alloc(512)
  head.write(path, 0)
  head.write('0000644\0', 100)
  head.write('0000000\0', 108)
  head.write('0000000\0', 116)
  head.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
  head.write('00000000000\0', 136)
  head.write('        ', 148)
  head.write('0', 156)
  head.write('ustar\x0000', 257)
  const sum = head.reduce((total, byte) => total + byte, 0)
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([head, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}

function manifest(one: NodePackage): Record<string, unknown> {
  const { name, version, dependencies = {}, scripts = {} } = one
  return { name, version, main: 'index.js', dependencies, scripts }
}

function tarball(one: NodePackage): Buffer {
  const files = { 'package.json': JSON.stringify(manifest(one)), ...one.files }
  const entries = Object.entries(files).map(([path, text]) => tarEntry(`package/${path}`, text))
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)]))
}

interface Served {
  readonly type: string
  readonly body: Buffer | string
}

function pythonRoutes(packages: readonly PythonPackage[]): Map<string, Served> {
  const routes = new Map<string, Served>()
  const links = new Map<string, string>()
  for (const one of packages) {
    const file = `${one.name}-${one.version}-py3-none-any.whl`
    const body = wheel(one)
    routes.set(`/files/${file}`, { type: 'application/octet-stream', body })
    const hash = createHash('sha256').update(body).digest('hex')
    links.set(one.name, `${links.get(one.name) ?? ''}<a href="/files/${file}#sha256=${hash}">${file}</a>\n`)
  }
  for (const [name, body] of links) {
    routes.set(`/simple/${name}/`, {
      type: 'text/html',
      body: `<!doctype html><html><body>${body}</body></html>`,
    })
  }
  return routes
}

function nodeRoutes(packages: readonly NodePackage[], origin: string): Map<string, Served> {
  const routes = new Map<string, Served>()
  const versions = new Map<string, Record<string, unknown>>()
  for (const one of packages) {
    const body = tarball(one)
    const path = `/npm/${one.name}/-/${one.name}-${one.version}.tgz`
    routes.set(path, { type: 'application/octet-stream', body })
    const integrity = `sha512-${createHash('sha512').update(body).digest('base64')}`
    const dist = { tarball: origin + path, integrity, shasum: createHash('sha1').update(body).digest('hex') }
    versions.set(one.name, { ...versions.get(one.name), [one.version]: { ...manifest(one), dist } })
  }
  for (const [name, all] of versions) {
    const latest = Object.keys(all).at(-1)
    routes.set(`/npm/${name}`, {
      type: 'application/json',
      body: JSON.stringify({ name, 'dist-tags': { latest }, versions: all }),
    })
  }
  return routes
}

export async function servePackages(
  python: readonly PythonPackage[],
  node: readonly NodePackage[],
): Promise<PackageIndexes> {
  const requests: string[] = []
  const routes = new Map<string, Served>()
  const server = http.createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '')
    requests.push(path)
    const found = routes.get(path)
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': found?.type ?? 'text/plain' })
    response.end(found?.body ?? 'not here')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null)
    throw new Error('unreachable: a TCP server has an address')
  const origin = `http://127.0.0.1:${address.port}`
  for (const [path, served] of [...pythonRoutes(python), ...nodeRoutes(node, origin)])
    routes.set(path, served)
  return {
    pipIndexUrl: `${origin}/simple/`,
    npmRegistryUrl: `${origin}/npm/`,
    port: address.port,
    requests,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
