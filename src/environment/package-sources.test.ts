import assert from 'node:assert/strict'
import test from 'node:test'
import { hostsIn, indexUrl } from './package-sources.ts'

test('an index is reached at its own host and port', () => {
  assert.deepEqual(indexUrl('https://index.example.com/simple/', 'x'), {
    url: 'https://index.example.com/simple/',
    place: { name: 'index.example.com', port: 443 },
    renamed: false,
  })
  assert.deepEqual(indexUrl('http://10.0.0.5:8080/npm', 'x').place, { name: '10.0.0.5', port: 8080 })
})

test("the machine's own loopback gets a name in the sandbox, whose loopback is another", () => {
  for (const [url, address] of [
    ['http://127.0.0.1:4873/npm/', '127.0.0.1'],
    ['http://localhost:4873/npm/', '127.0.0.1'],
    ['http://[::1]:4873/npm/', '::1'],
  ] as const) {
    assert.deepEqual(indexUrl(url, 'x'), {
      url: 'http://package-index.internal:4873/npm/',
      place: { name: 'package-index.internal', port: 4873, address },
      renamed: true,
    })
  }
})

test('what is no plain URL, or would show a password to the sandbox, is refused by its name', () => {
  for (const url of [
    '',
    'index',
    'ftp://x/',
    'file:///x',
    'https://user:secret@x/',
    'https://x/?token=1',
    'https://x/#y',
  ])
    assert.throws(() => indexUrl(url, 'pipIndexUrl'), /^Error: pipIndexUrl must/)
})

test('hosts are read out of what a tool says about its defaults, and nothing else is', () => {
  assert.deepEqual(hostsIn('https://index.example.com/simple files.example.com\n'), [
    'index.example.com',
    'files.example.com',
  ])
  assert.deepEqual(hostsIn('https://registry.example.com/\n'), ['registry.example.com'])
  assert.deepEqual(hostsIn('undefined behaviour: 10.0.0.0/8 *.com *'), ['undefined'])
})
