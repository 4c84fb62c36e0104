import assert from 'node:assert/strict'
import test from 'node:test'
import { Resolver } from './resolver.ts'

const failing = (code: string) => async (): Promise<string[]> => {
  throw Object.assign(new Error(code), { code })
}

test('a name that does not exist and name servers that fail are told apart', async () => {
  assert.deepEqual(await new Resolver(failing('ENOTFOUND')).resolve('a'), { kind: 'missing' })
  assert.deepEqual(await new Resolver(failing('ENODATA')).resolve('a'), { kind: 'missing' })
  assert.deepEqual(await new Resolver(failing('ETIMEOUT')).resolve('a'), { kind: 'failed' })
})

test('questions for one name at one moment are one, later ones are asked anew', async () => {
  let asked = 0
  const resolver = new Resolver(async () => [`1.1.1.${++asked}`])
  const both = await Promise.all([resolver.resolve('a'), resolver.resolve('a')])
  assert.deepEqual(both[0], both[1])
  assert.deepEqual(await resolver.resolve('a'), { kind: 'addresses', addresses: ['1.1.1.2'] })
})

test('what is no address is dropped, and a long list is cut', async () => {
  const odd = new Resolver(async () => ['x', '1.1.1.1', '', '::1'])
  assert.deepEqual(await odd.resolve('a'), { kind: 'addresses', addresses: ['1.1.1.1', '::1'] })
  const many = new Resolver(async () => Array.from({ length: 100 }, (_, index) => `1.1.1.${index}`))
  const resolved = await many.resolve('a')
  assert.equal(resolved.kind === 'addresses' && resolved.addresses.length, 16)
})
