import assert from 'node:assert/strict'
import test from 'node:test'
import { mayRun, outcome, sanitized, stage } from './stage.ts'
import { Type } from './wire.ts'

const options = { skip: mayRun }

/** Forks children that die as orphans all at once: every one of them becomes init's to reap. */
const army = (size: number) => `
import os, signal, time
r, w = os.pipe()
for i in range(${size}):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            os._exit(0)
        os._exit(0)
    os.wait()
print("raised", flush=True)
`

test('an army of orphans that die at once is reaped, and other operations go on', options, async (t) => {
  const init = await stage(t)
  const size = sanitized ? 500 : 2000
  const raised = await outcome(init.exec({ args: ['python3', '-c', army(size)] }), 60_000)
  assert.equal(raised.stdout, 'raised\n')
  assert.equal((await init.run('echo meanwhile')).stdout, 'meanwhile\n')
  for (let left = -1; left !== 0; ) {
    const { stdout } = await init.run('ps -A -o stat,comm | grep -cE "^Z|python" || true')
    left = Number(stdout)
  }
})

test('a parent that ignores its children leaves no zombie behind when it ends', options, async (t) => {
  const init = await stage(t)
  const wire = init.exec({
    args: ['python3', '-c', 'import os\nfor i in range(300):\n  os.fork() or os._exit(0)\nprint("x")'],
  })
  assert.equal((await outcome(wire)).status, 0)
  assert.equal(wire.text(Type.stdout), 'x\n')
  for (let left = -1; left !== 0; )
    left = Number((await init.run('ps -A -o stat | grep -c ^Z || true')).stdout)
})
