import assert from 'node:assert/strict'
import test from 'node:test'
import { AddressGuard, CidrSet, parseCidr } from './addresses.ts'

const guard = (allow: string[] = [], own: string[] = []) => new AddressGuard(allow, Date.now, () => own)

test('addresses of the public internet are reachable', () => {
  for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::1']) {
    assert.deepEqual(guard().judge(address), { allowed: true }, address)
  }
})

test('loopback, private, link-local, metadata, shared, multicast and reserved addresses are refused in every form', () => {
  const refused = [
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    'fc00::1',
    'ff02::1',
    'localhost',
    '127.1',
    '0x7f000001',
    '2130706433',
    '',
  ]
  for (const address of refused) assert.equal(guard().judge(address).allowed, false, address)
})

test("the machine's own public addresses are refused, however they are spelled", () => {
  const own = guard([], ['93.184.216.34', '2606:4700::11'])
  assert.equal(own.judge('93.184.216.34').allowed, false)
  assert.equal(own.judge('2606:4700:0:0::11').allowed, false)
  assert.equal(own.judge('93.184.216.35').allowed, true)
})

test('the operator may open networks, and only those', () => {
  const open = guard(['127.0.0.0/8'], ['127.0.0.1'])
  assert.equal(open.judge('127.0.0.1').allowed, true)
  assert.equal(open.judge('10.0.0.1').allowed, false)
  assert.equal(open.judge('::1').allowed, false)
  assert.equal(open.judge('::ffff:127.0.0.1').allowed, false)
})

test('CIDRs are parsed strictly', () => {
  assert.deepEqual(parseCidr('203.0.113.0/24'), { address: '203.0.113.0', prefix: 24, family: 'ipv4' })
  assert.deepEqual(parseCidr('2606::/16'), { address: '2606::', prefix: 16, family: 'ipv6' })
  assert.equal(parseCidr('1.2.3.4')?.prefix, 32)
  for (const wrong of [
    '1.2.3.4/33',
    '1.2.3/8',
    'x',
    '1.2.3.4/',
    '1.2.3.4/8/9',
    '::1/129',
    '1.2.3.4/-1',
    '',
  ]) {
    assert.equal(parseCidr(wrong), undefined, wrong)
  }
  assert.equal(new CidrSet(['8.8.0.0/16']).has('8.8.4.4'), true)
  assert.equal(new CidrSet(['8.8.0.0/16']).has('8.9.4.4'), false)
})
