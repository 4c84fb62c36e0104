import assert from 'node:assert/strict'
import test from 'node:test'
import { compilePolicy, normaliseName, parseRule } from './policy.ts'

test('none allows nothing and all allows every name and address', () => {
  assert.equal(compilePolicy('none').allowsName('example.com'), false)
  assert.equal(compilePolicy('none').allowsAddress('1.1.1.1'), false)
  assert.equal(compilePolicy('all').allowsName('example.com'), true)
  assert.equal(compilePolicy('all').allowsAddress('1.1.1.1'), true)
})

test('a list allows exactly its names, names under its wildcards, and addresses in its networks', () => {
  const policy = compilePolicy({ allow: ['Example.com', '*.pkg.dev', '8.8.0.0/16', '2606:4700::/32'] })
  for (const name of ['example.com', 'a.pkg.dev', 'a.b.pkg.dev'])
    assert.equal(policy.allowsName(name), true, name)
  for (const name of ['www.example.com', 'pkg.dev', 'evilpkg.dev', 'example.com.evil.dev', '8.8.8.8']) {
    assert.equal(policy.allowsName(name), false, name)
  }
  assert.equal(policy.allowsAddress('8.8.4.4'), true)
  assert.equal(policy.allowsAddress('2606:4700::1111'), true)
  assert.equal(policy.allowsAddress('9.9.9.9'), false)
})

test('rules that are neither name nor network are told apart', () => {
  for (const wrong of [
    '',
    '*',
    '*.',
    'a..b',
    '-a.com',
    'http://a.com',
    'a.com:80',
    '1.2.3.4/33',
    '300.1.1.1',
    'a b.com',
    '*.*.a.com',
    `${'a'.repeat(64)}.com`,
  ]) {
    assert.equal(parseRule(wrong), undefined, wrong)
  }
  assert.deepEqual(parseRule('BÜCHER.example.'), { kind: 'name', name: 'xn--bcher-kva.example' })
})

test('names have one spelling', () => {
  assert.equal(normaliseName('ExAmple.COM.'), 'example.com')
  assert.equal(normaliseName('_dmarc.example.com'), '_dmarc.example.com')
  assert.equal(normaliseName('a'.repeat(254)), undefined)
})
