import assert from 'node:assert/strict'
import test from 'node:test'
import type { Limits } from '../driver.ts'
import { createFields, launcherCommand, limitFields } from './launcher-requests.ts'

const limits: Limits = { memoryBytes: 1, cpuMillis: 2, pids: 3, diskBytes: 4, inodes: 5 }

test('the launcher is started with exactly its folders, owner and group', () => {
  const settings = {
    launcher: '/l',
    runDir: '/r',
    baseRoot: '/b',
    guestDir: '/g',
    layersDir: '/y',
    owner: { uid: 5, gid: 6 },
  }
  assert.deepEqual(launcherCommand(settings), {
    file: '/l',
    args: ['--run', '/r', '--base', '/b', '--guest', '/g', '--layers', '/y', '--owner', '5:6'],
  })
  assert.deepEqual(launcherCommand({ ...settings, cgroup: 'c', memoryReserveBytes: 7 }).args.slice(10), [
    '--cgroup',
    'c',
    '--memory-reserve',
    '7',
  ])
})

test('a create carries every limit, a limit only what can change', () => {
  const spec = { runtime: 'python', layers: ['h'], limits, network: 'egress', timeNamespace: true } as const
  assert.deepEqual(createFields('i', spec), {
    id: 'i',
    zygote: 'python',
    net: 'egress',
    layers: 'h',
    mem: 1,
    cpu: 2,
    pids: 3,
    disk: 4,
    inodes: 5,
    time: 1,
  })
  assert.equal('layers' in createFields('i', { ...spec, layers: [] }), false)
  assert.deepEqual(limitFields({ ...limits, readBps: 8, writeBps: 9, readIops: 10, writeIops: 11 }), {
    mem: 1,
    cpu: 2,
    pids: 3,
    rbps: 8,
    wbps: 9,
    riops: 10,
    wiops: 11,
  })
})
