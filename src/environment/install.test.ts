import assert from 'node:assert/strict'
import test from 'node:test'
import { installSteps } from './install.ts'
import { indexUrl } from './package-sources.ts'
import { packageSetOf } from './packages.ts'

const indexes = {
  pip: indexUrl('http://127.0.0.1:9000/simple/', 'pip'),
  npm: indexUrl('http://127.0.0.1:9000/npm/', 'npm'),
}
const text = (
  spec: Parameters<typeof packageSetOf>[0],
  from: Parameters<typeof installSteps>[1] = indexes,
): string[] => installSteps(packageSetOf(spec), from).map(({ command }) => command.argv.join(' '))

test('pip installs wheels from the index that is named, then everything is compiled for its place in executions', () => {
  assert.deepEqual(text({ python: { packages: ['shapes==1.2'] } }), [
    '/usr/bin/python3 -I -m pip install --target /workspace/env/python --no-input --disable-pip-version-check --no-cache-dir --no-color --progress-bar off --no-compile --no-warn-script-location --retries 2 --timeout 20 --only-binary :all: --index-url http://package-index.internal:9000/simple/ --trusted-host package-index.internal:9000 -- shapes==1.2',
    '/bin/sh -c "$@" || true compile /usr/bin/python3 -I -m compileall -q -q --invalidation-mode unchecked-hash -s /workspace/env -p /opt/env /workspace/env/python',
  ])
})

test('npm installs without scripts from the registry that is named', () => {
  assert.deepEqual(text({ node: { packages: ['left@1'] } }), [
    '/usr/bin/mkdir -p /workspace/env/node',
    '/usr/local/bin/npm install --prefix /workspace/env/node --cache /tmp/npm --ignore-scripts --no-audit --no-fund --no-update-notifier --no-progress --no-color --fetch-retries 2 --fetch-retry-mintimeout 1000 --fetch-retry-maxtimeout 5000 --registry http://package-index.internal:9000/npm/ --replace-registry-host always -- left@1',
  ])
})

test('scripts run only when allowed, and without settings the tools keep their own defaults', () => {
  const spec = { python: { packages: ['a'] }, node: { packages: ['b'] }, allowInstallScripts: true }
  const all = text(spec, { pip: null, npm: null }).join('\n')
  assert.doesNotMatch(all, /only-binary|ignore-scripts|index-url|registry|trusted-host/)
})
