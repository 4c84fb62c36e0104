/** Documents that lie are worse than none: their examples are run as they stand, against the real server. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { clochePath, projectRoot } from '../support/requirements.ts'
import { installSdk } from '../support/sdk-package.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const sdk = installSdk()
after(async () => {
  sdk.remove()
  await server.stop()
})

interface Example {
  readonly where: string
  readonly language: string
  readonly prints: string | undefined
  readonly code: string
}

/** `<!-- runnable: sh prints: hello -->` and the fenced block after it. */
const marked = /<!-- runnable: (\w+)(?: prints: (.*?))? -->\n```\w+\n([\s\S]*?)\n```/g

function examplesIn(path: string): Example[] {
  const text = readFileSync(join(projectRoot, path), 'utf8')
  return [...text.matchAll(marked)].map(([whole, language = '', prints, code = '']) => ({
    where: `${path}:${text.slice(0, text.indexOf(whole)).split('\n').length}`,
    language,
    prints,
    code,
  }))
}

const pages = ['README.md', ...readdirSync(join(projectRoot, 'docs')).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
)
const examples = pages.flatMap(examplesIn)
const env = { CLOCHE_ENDPOINT: server.url, CLOCHE_API_KEY: server.adminKey }

function runShell(code: string): string {
  return execFileSync('bash', ['-euo', 'pipefail', '-c', code], {
    cwd: sdk.folder,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ...env, PATH: `${dirname(clochePath)}:${process.env['PATH']}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

test('the documents have examples to run', () => {
  assert.ok(examples.length >= 8, `only ${examples.length} are marked as runnable`)
})

for (const { where, language, prints, code } of examples) {
  test(`the ${language} example at ${where} works as it stands`, () => {
    if (language === 'typescript') sdk.checkTypes(code)
    const printed = language === 'typescript' ? sdk.run(code, env) : runShell(code)
    assert.doesNotMatch(printed, /^\{"error":/)
    if (prints !== undefined) assert.ok(printed.includes(prints), `no ${prints} in ${printed.slice(0, 2000)}`)
  })
}

test('every benchmark is in the promises, and every promise names a benchmark there is', () => {
  const runner = readFileSync(join(projectRoot, 'bench', 'run.ts'), 'utf8')
  const list = /const all = \[([^\]]*)\]/.exec(runner)?.[1] ?? ''
  const there = [...list.matchAll(/'([\w-]+)'/g)].map((match) => match[1])
  const promised = readFileSync(join(projectRoot, 'docs', 'promises.md'), 'utf8').matchAll(/ONLY=([\w-]+)/g)
  assert.deepEqual([...new Set([...promised].map((match) => match[1]))].toSorted(), there.toSorted())
})

test('every link between the documents leads somewhere', () => {
  const broken = [...pages, 'docs/decisions/README.md', 'sdk/typescript/README.md'].flatMap((page) => {
    const text = readFileSync(join(projectRoot, page), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
    return links
      .filter((link) => !exists(join(dirname(join(projectRoot, page)), link)))
      .map((link) => `${page}: ${link}`)
  })
  assert.deepEqual(broken, [])
})

test('every file and folder the documents name is there', () => {
  const named = /`((?:src|native|guest|sdk|bench|test|docs|scripts)\/[\w./-]+)`/g
  const missing = pages.flatMap((page) => {
    const text = readFileSync(join(projectRoot, page), 'utf8')
    const paths = [...text.matchAll(named)].map((match) => match[1] ?? '')
    return paths.filter((path) => !exists(join(projectRoot, path))).map((path) => `${page}: ${path}`)
  })
  assert.deepEqual(missing, [])
})

function exists(path: string): boolean {
  try {
    readFileSync(path)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EISDIR'
  }
}
