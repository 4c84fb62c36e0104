/** Sets of pip and npm packages, built in a sandbox from indexes that the test serves, used by executions. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { expectError, type JsonObject } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { servePackages } from '../support/package-indexes.ts'
import { startServer } from '../support/server.ts'

const indexes = await servePackages(
  [
    { name: 'greeter', version: '1.0.0', files: { 'greeter/__init__.py': 'word = "hello from 1"\n' } },
    {
      name: 'greeter',
      version: '2.0.0',
      files: { 'greeter/__init__.py': 'from shouter import shout\nword = shout("hello from 2")\n' },
      requires: ['shouter>=1'],
    },
    { name: 'shouter', version: '1.1', files: { 'shouter.py': 'def shout(text): return text.upper()\n' } },
    {
      name: 'escaper',
      version: '1.0',
      files: { '../../../../../../tmp/escaped.py': 'evil = 1\n', 'escaper.py': 'x = 1\n' },
    },
  ],
  [
    {
      name: 'tiny-node',
      version: '1.0.0',
      files: {
        'index.js': 'module.exports = require("sub-node") + 1;\n',
        'deep/path.js': 'module.exports = "sub-path";\n',
      },
      dependencies: { 'sub-node': '^2.0.0' },
    },
    { name: 'sub-node', version: '2.1.0', files: { 'index.js': 'module.exports = 41;\n' } },
    {
      name: 'scripted',
      version: '1.0.0',
      files: { 'index.js': 'module.exports = require("fs").existsSync(__dirname + "/ran");\n' },
      scripts: { postinstall: 'touch ran; cat /etc/shadow; echo pwned > /workspace/pwned' },
    },
  ],
)
const server = await startServer({
  env: {
    CLOCHE_ENVIRONMENTS_PIP_INDEX_URL: indexes.pipIndexUrl,
    CLOCHE_ENVIRONMENTS_NPM_REGISTRY: indexes.npmRegistryUrl,
    CLOCHE_EGRESS_ALLOW_PRIVATE: '127.0.0.0/8',
  },
})
const { admin } = server
after(async () => {
  await server.stop()
  indexes.close()
})

async function build(name: string, spec: object): Promise<JsonObject> {
  const reply = await admin.call('POST', '/api/v1/environments', { body: { name, ...spec } })
  assert.ok([200, 201, 202].includes(reply.status), reply.text)
  return eventually(
    async () => {
      const found = (await admin.call('GET', `/api/v1/environments/${name}`)).json()
      return ['ready', 'failed'].includes(String(found['status'])) ? found : undefined
    },
    { withinMs: 120_000, everyMs: 100, what: `the end of the build of ${name}` },
  )
}

test('a named environment of pip packages is built once and imported by executions', async () => {
  const built = await build('greeting', { python: { packages: ['greeter==2.0.0'] } })
  assert.equal(built['status'], 'ready', JSON.stringify(built))
  const askedBefore = indexes.requests.length
  for (let run = 0; run < 3; run++) {
    const result = await admin.execute({
      language: 'python',
      code: 'import greeter\nprint(greeter.word)',
      environment: 'greeting',
    })
    assert.equal(result.stdout, 'HELLO FROM 2\n', result.stderr)
  }
  assert.equal(indexes.requests.length, askedBefore, 'executions build nothing')
})

test('an inline environment of npm packages is built on first use, by content, and require and import find it', async () => {
  const environment = { node: { packages: ['tiny-node@1.0.0'] } }
  const required = await admin.execute({
    language: 'javascript',
    code: 'console.log(require("tiny-node"), require("tiny-node/deep/path.js"))',
    environment,
    timeoutMs: 60_000,
  })
  assert.equal(required.stdout, '42 sub-path\n', required.stderr)
  const askedBefore = indexes.requests.length
  const imported = await admin.execute({
    language: 'javascript',
    code: 'import tiny from "tiny-node"; console.log(tiny)',
    environment,
  })
  assert.equal(imported.stdout, '42\n', imported.stderr)
  assert.equal(indexes.requests.length, askedBefore, 'the same content is not built again')
})

test('twenty first executions of one new environment build it once', async () => {
  const before = indexes.requests.filter((path) => path.endsWith('greeter-1.0.0-py3-none-any.whl')).length
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      admin.execute({
        language: 'python',
        code: 'import greeter\nprint(greeter.word)',
        environment: { python: { packages: ['greeter==1.0.0'] } },
        timeoutMs: 60_000,
      }),
    ),
  )
  for (const answer of answers) assert.equal(answer.stdout, 'hello from 1\n', answer.stderr)
  const downloads = indexes.requests.filter((path) => path.endsWith('greeter-1.0.0-py3-none-any.whl')).length
  assert.equal(downloads - before, 1)
})

test('the layer is read-only and both languages of one set are usable together', async () => {
  await build('both', { python: { packages: ['shouter'] }, node: { packages: ['sub-node'] } })
  const result = await admin.execute({
    language: 'bash',
    code: `python3 -c 'import shouter; print(shouter.shout("py"))'; node -e 'console.log(require("sub-node"))'
find / -name shouter.py -not -path '/proc/*' 2>/dev/null | while read f; do echo x 2>/dev/null >> "$f" && echo CHANGED; rm -f "$f" 2>/dev/null && echo REMOVED; done; true`,
    environment: 'both',
  })
  assert.equal(result.stdout, 'PY\n41\n', result.stderr)
})

test('cached mode keeps sandboxes of different environments apart', async () => {
  const code = 'try:\n  import greeter; print(greeter.word)\nexcept ImportError: print("none")'
  const run = (environment?: string) =>
    admin.execute({ language: 'python', mode: 'cached', code, ...(environment && { environment }) })
  assert.equal((await run('greeting')).stdout, 'HELLO FROM 2\n')
  assert.equal((await run()).stdout, 'none\n')
  const again = await run('greeting')
  assert.deepEqual([again.stdout, again.startKind], ['HELLO FROM 2\n', 'warm'])
})

test('a package that does not exist fails the build with its name and what pip or npm said', async () => {
  for (const [name, spec, word] of [
    ['missing-pip', { python: { packages: ['no-such-package-at-all'] } }, /no-such-package-at-all/],
    ['missing-npm', { node: { packages: ['no-such-node-package'] } }, /no-such-node-package/],
  ] as const) {
    const built = await build(name, spec)
    assert.equal(built['status'], 'failed')
    assert.match(JSON.stringify(built['error']), word)
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', environment: name },
    })
    expectError(reply, reply.status, /environment/)
    assert.ok(reply.status >= 400 && reply.status < 500, reply.text)
  }
})

test('a hostile package can neither leave its layer nor run scripts nobody asked for', async () => {
  const escaped = await build('escaped', { python: { packages: ['escaper'] } })
  if (escaped['status'] === 'ready') {
    const look = await admin.execute({
      language: 'bash',
      code: 'ls /tmp /workspace; find / -name "escaped.py" -not -path "/proc/*" -not -path "/opt/env/*" 2>/dev/null',
      environment: 'escaped',
    })
    assert.equal(look.stdout, '', 'nothing outside the layer')
  }
  const scripted = await admin.execute({
    language: 'javascript',
    code: 'console.log(require("scripted"))',
    environment: { node: { packages: ['scripted'] } },
    timeoutMs: 60_000,
  })
  assert.equal(scripted.stdout, 'false\n', scripted.stderr)
})

test('options, urls with paths to files and empty sets are refused as packages', async () => {
  for (const spec of [
    { python: { packages: ['--index-url=http://evil'] } },
    { python: { packages: [] } },
    { node: { packages: ['-g'] } },
    {},
    { ruby: { packages: ['rails'] } },
  ]) {
    const reply = await admin.call('POST', '/api/v1/environments', { body: { name: 'refused', ...spec } })
    expectError(reply, 400)
  }
})

test('environments are listed, belong to their tenant, and deleting one ends its use', async () => {
  const listed = (await admin.call('GET', '/api/v1/environments')).json()['environments'] as JsonObject[] // the documented list
  assert.ok(listed.some((one) => one['name'] === 'greeting' && one['status'] === 'ready'))
  const tenant = (await admin.call('POST', '/api/v1/tenants', { body: { name: 'stranger' } })).json()
  const key = await admin.call('POST', '/api/v1/keys', {
    body: { name: 'k', tenantId: tenant['tenantId'], scopes: ['execute', 'manage'] },
  })
  const stranger = admin.withKey(String(key.json()['key']))
  expectError(await stranger.call('GET', '/api/v1/environments/greeting'), 404)
  const foreign = { body: { language: 'python', code: '1', environment: 'greeting' } }
  expectError(await stranger.call('POST', '/api/v1/execute', foreign), 404)
  const gone = await admin.call('DELETE', '/api/v1/environments/greeting')
  assert.equal(gone.status, 204, gone.text)
  expectError(await admin.call('POST', '/api/v1/execute', foreign), 404)
})
