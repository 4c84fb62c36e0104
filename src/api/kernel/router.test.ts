import assert from 'node:assert/strict'
import test from 'node:test'
import { type Route, route } from './route.ts'
import { Router } from './router.ts'

const make = (method: Route['method'], path: string): Route =>
  route({ method, path, summary: '', tag: '', scope: 'public', answers: {}, handle: () => ({ status: 204 }) })

const router = new Router([
  make('GET', '/things'),
  make('POST', '/things'),
  make('GET', '/things/new'),
  make('GET', '/things/{id}'),
  make('DELETE', '/things/{id}'),
  make('GET', '/things/{id}/parts/{part}'),
])

function found(method: string, path: string): [string, Record<string, string>] | string {
  const match = router.match(method, path)
  return match.kind === 'found' ? [match.route.path, { ...match.params }] : match.kind
}

test('a path finds its route, with its parameters decoded', () => {
  assert.deepEqual(found('GET', '/things'), ['/things', {}])
  assert.deepEqual(found('GET', '/things/a%20b'), ['/things/{id}', { id: 'a b' }])
  assert.deepEqual(found('GET', '/things/1/parts/2'), ['/things/{id}/parts/{part}', { id: '1', part: '2' }])
  assert.deepEqual(found('HEAD', '/things'), ['/things', {}])
})

test('a fixed path wins over a template', () => {
  assert.deepEqual(found('GET', '/things/new'), ['/things/new', {}])
})

test('a known path with another method says which ones there are', () => {
  const match = router.match('PUT', '/things/1')
  assert.deepEqual(match.kind === 'wrong_method' && match.allowed, ['GET', 'DELETE'])
})

test('everything else is missing: other depths, empty and undecodable segments, slashes at the end', () => {
  for (const path of [
    '/',
    '',
    '/thing',
    '/things/',
    '/things/1/',
    '/things/%zz',
    '/things//parts/x',
    '/THINGS',
    '/things/1/parts',
  ]) {
    assert.equal(found('GET', path), 'missing', path)
  }
})

test('two routes for one method and path are a mistake of ours, told at once', () => {
  assert.throws(() => new Router([make('GET', '/x/{a}'), make('GET', '/x/{a}')]))
})
