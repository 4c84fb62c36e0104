import assert from 'node:assert/strict'
import test from 'node:test'
import type { EnvironmentSpec } from '../model/environment.ts'
import { isClocheError } from '../model/errors.ts'
import { newTenantId } from '../model/ids.ts'
import { layerHash, MOST_PACKAGES, nodePackage, packageSetOf, pythonPackage } from './packages.ts'

test('packages of either index are taken in their usual spellings', () => {
  const python = [
    'requests',
    'Flask_Login==0.6.3',
    'httpx[http2,socks]>=0.27,<1',
    'a',
    'x~=1.0',
    'y!=2.*',
    'z == 1.0+cpu',
  ]
  assert.deepEqual(
    python.map(pythonPackage).map((one) => (typeof one === 'string' ? one : one.text)),
    ['requests', 'flask-login==0.6.3', 'httpx[http2,socks]>=0.27,<1', 'a', 'x~=1.0', 'y!=2.*', 'z==1.0+cpu'],
  )
  const node = [
    'lodash',
    'lodash@4',
    '@scope/name',
    '@scope/name@^1.2.0',
    'typescript@next',
    'a@>=1 <2 || 3.x',
    'socket.io@~4.8',
  ]
  assert.deepEqual(
    node.map(nodePackage).map((one) => (typeof one === 'string' ? one : one.text)),
    node,
  )
})

test('options, URLs, paths, archives, aliases and control characters are no packages', () => {
  const never = [
    '',
    ' ',
    '-r',
    '--index-url=http://x',
    '-e.',
    '.',
    '..',
    '/etc/passwd',
    './local',
    'a/b',
    'http://x/y',
    'git+https://x/y',
    'file:x',
    'x.whl',
    'x.tar.gz',
    'x.tgz',
    'a\0',
    'a;b',
    'a$(id)',
    'ä',
    'x'.repeat(300),
  ]
  for (const text of [
    ...never,
    'a @ https://x/y',
    'a==',
    'a=1',
    'a[',
    'a; python_version<"3"',
    '@scope/name',
    'a==1,-r',
  ])
    assert.equal(typeof pythonPackage(text), 'string', JSON.stringify(text))
  for (const text of [
    ...never,
    'a@npm:b',
    'a@file:..',
    'a@http://x',
    'a@',
    '@scope',
    '@/a',
    'a@git@x:y',
    'a@../b',
    'a==1',
  ])
    assert.equal(typeof nodePackage(text), 'string', JSON.stringify(text))
})

test('every problem of a set is told at once, with its place', () => {
  const spec: EnvironmentSpec = {
    python: { packages: ['ok', '-r', 'OK==2'] },
    node: { packages: Array.from({ length: MOST_PACKAGES + 1 }, (_, i) => `p${i}`) },
  }
  assert.throws(
    () => packageSetOf(spec, 'environment.'),
    (error) => {
      assert.ok(isClocheError(error, 'invalid_request'))
      assert.deepEqual(
        error.details.problems.map(({ path }) => path),
        ['environment.python.packages[1]', 'environment.python.packages[2]', 'environment.node.packages'],
      )
      return true
    },
  )
  assert.throws(() => packageSetOf({ python: { packages: [] } }), /must name at least one package/)
})

test('one layer for one content of one tenant, whatever order and spelling it had', () => {
  const [one, other] = [newTenantId(1), newTenantId(2)]
  const set = packageSetOf({ python: { packages: ['B', 'a_b'] }, node: { packages: ['x'] } })
  const same = packageSetOf({ python: { packages: ['a-b', 'b', 'b'] }, node: { packages: ['x'] } })
  const scripts = packageSetOf({
    python: { packages: ['a-b', 'b'] },
    node: { packages: ['x'] },
    allowInstallScripts: true,
  })
  const hashes = [
    layerHash(one, set, 'base', [null, null]),
    layerHash(other, set, 'base', [null, null]),
    layerHash(one, set, 'other base', [null, null]),
    layerHash(one, set, 'base', ['http://index', null]),
    layerHash(one, scripts, 'base', [null, null]),
  ]
  assert.equal(layerHash(one, same, 'base', [null, null]), hashes[0])
  assert.equal(new Set(hashes).size, hashes.length)
  assert.ok(hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash)))
})
