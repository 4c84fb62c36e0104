import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeIncoming, formatIpv6 } from './incoming.ts'

function ipv6(...groups: number[]): Buffer {
  const bytes = Buffer.alloc(16)
  groups.forEach((group, i) => bytes.writeUInt16BE(group, i * 2))
  return bytes
}

test('an incoming connection tells its number, address and port', () => {
  const payload = Buffer.alloc(23)
  payload.writeUInt32LE(77, 0)
  payload[4] = 4
  payload.set([93, 184, 216, 34], 5)
  payload.writeUInt16LE(443, 21)
  assert.deepEqual(decodeIncoming(payload), {
    connection: 77,
    family: 4,
    address: '93.184.216.34',
    port: 443,
  })
  payload[4] = 9
  assert.equal(decodeIncoming(payload), undefined)
})

test('an IPv6 address has one spelling', () => {
  assert.equal(formatIpv6(ipv6(0, 0, 0, 0, 0, 0, 0, 1)), '::1')
  assert.equal(formatIpv6(ipv6(0, 0, 0, 0, 0, 0, 0, 0)), '::')
  assert.equal(formatIpv6(ipv6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)), '2001:db8::1:0:0:1')
  assert.equal(formatIpv6(ipv6(0x2001, 0, 1, 0, 1, 0, 1, 0)), '2001:0:1:0:1:0:1:0')
  assert.equal(formatIpv6(ipv6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1)), '::ffff:7f00:1')
  assert.equal(formatIpv6(ipv6(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 'fe80::')
})
