import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { ConfigError, parseConfig, variableOf } from './config.ts'
import { SETTINGS } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'cloche-config-'))
after(() => rmSync(folder, { recursive: true }))

function file(value: unknown): string {
  const path = join(folder, 'config.json')
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

function problemsOf(sources: Parameters<typeof parseConfig>[0]): readonly string[] {
  try {
    parseConfig(sources)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('without any source everything has its default, and the result cannot be changed', () => {
  const config = parseConfig({})
  assert.equal(config.port, 8080)
  assert.equal(config['limits.timeout'], 3_600_000)
  assert.ok(Object.isFrozen(config))
})

test('flags win over variables, variables over the file, the file over defaults', () => {
  const path = file({ port: 1, host: 'file', limits: { body: '1MiB' }, 'log.level': 'warn' })
  const env = { CLOCHE_PORT: '2', CLOCHE_HOST: 'env', PATH: 'x' }
  const config = parseConfig({ file: path, env, flags: { port: '3' } })
  assert.deepEqual(
    [config.port, config.host, config['limits.body'], config['log.level']],
    [3, 'env', 1 << 20, 'warn'],
  )
})

test('unknown keys fail wherever they come from, naming the one that was probably meant', () => {
  const path = file({ limits: { bdy: '1MiB' } })
  const problems = problemsOf({ file: path, env: { CLOCHE_PROT: '1' }, flags: { prot: '1' } })
  assert.deepEqual(problems, [
    `${path} limits.bdy: unknown setting; did you mean "limits.body"?`,
    'CLOCHE_PROT: unknown setting',
    '--set prot: unknown setting; did you mean "port"?',
  ])
})

test('all problems are told together', () => {
  const flags = {
    port: '70000',
    'limits.body': '12',
    'limits.timeout': 'soon',
    'log.level': 'loud',
    'pool.standby': 'maybe',
    'egress.allowPrivate': '10.0.0.0/8,nonsense',
    'http.cors': 'https://a.example/path',
  }
  assert.equal(problemsOf({ flags }).length, 7)
})

test('a file that is missing or no JSON object is one problem', () => {
  assert.equal(problemsOf({ file: join(folder, 'missing.json') }).length, 1)
  assert.equal(problemsOf({ file: file('[') }).length, 1)
  assert.equal(problemsOf({ file: file([]) }).length, 1)
})

test('lists are taken as lists or with commas', () => {
  const networks = ['10.0.0.0/8', '::1']
  assert.deepEqual(
    parseConfig({ file: file({ egress: { allowPrivate: networks } }) })['egress.allowPrivate'],
    networks,
  )
  assert.deepEqual(
    parseConfig({ flags: { 'egress.allowPrivate': '10.0.0.0/8, ::1' } })['egress.allowPrivate'],
    networks,
  )
})

test('variables of the other commands and of tests are not settings', () => {
  assert.deepEqual(
    problemsOf({ env: { CLOCHE_API_KEY: 'x', CLOCHE_TEST_SEED: '1', CLOCHE_ENDPOINT: 'x' } }),
    [],
  )
})

test("the data folder's own base trees win over the machine's, a place that is named over both", () => {
  mkdirSync(join(folder, 'base'))
  writeFileSync(join(folder, 'base', 'current'), 'x')
  assert.equal(parseConfig({ flags: { data: folder } })['base.dir'], join(folder, 'base'))
  assert.equal(parseConfig({ flags: { data: folder }, env: { CLOCHE_BASE_DIR: '/b' } })['base.dir'], '/b')
})

test('every default reads back from the way it is shown, and every setting has a variable of its own', () => {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    if (typeof setting.default !== 'number' || !/^\d/.test(setting.shown)) continue
    assert.deepEqual(setting.read(setting.shown), { value: setting.default }, name)
  }
  const variables = Object.keys(SETTINGS).map(variableOf)
  assert.equal(new Set(variables).size, variables.length)
  assert.ok(variables.includes('CLOCHE_LIMITS_INODES_PER_MIB'))
})
