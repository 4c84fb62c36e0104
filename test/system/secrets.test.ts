/** Secrets of a request live in its sandbox and nowhere else. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { processesBelow } from '../support/host-state.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
after(() => server.stop())
const secret = `s3cret-${process.pid}-${Math.random().toString(36).slice(2)}`

function dataFiles(): string[] {
  return readdirSync(server.dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\/(base|guest|layers)(\/|$)/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name))
}

test('env values and stdin reach the program, and neither the server’s log, its metrics nor its lists', async () => {
  const result = await server.admin.execute({
    language: 'python',
    code: 'import os, sys, hashlib\nprint(len(os.environ["TOKEN"]), len(sys.stdin.read()))',
    env: { TOKEN: secret },
    stdin: secret,
  })
  assert.equal(result.stdout, `${secret.length} ${secret.length}\n`)
  assert.equal(server.output().includes(secret), false, 'the log')
  for (const path of [
    '/metrics',
    '/api/v1/executions?limit=100',
    `/api/v1/executions/${result.executionId}`,
  ]) {
    assert.equal((await server.admin.call('GET', path)).text.includes(secret), false, path)
  }
})

test('the environment of a finished synchronous run is not on disk', () => {
  for (const path of dataFiles()) assert.equal(readFileSync(path).includes(secret), false, path)
})

test('failed requests do not echo the key or the values they were sent', async () => {
  const reply = await server.admin.call('POST', '/api/v1/execute', {
    body: { language: 'python', code: 1, env: { TOKEN: secret } },
  })
  assert.equal(reply.status, 400)
  assert.equal(reply.text.includes(secret), false)
  assert.equal(reply.text.includes(server.adminKey), false)
  assert.equal(server.output().includes(server.adminKey), false)
})

test('no process of the platform shows a key in its command line or environment', () => {
  for (const entry of [{ pid: server.pid }, ...processesBelow(server.pid)]) {
    for (const file of ['cmdline', 'environ']) {
      try {
        assert.equal(readFileSync(`/proc/${entry.pid}/${file}`).includes(server.adminKey), false)
      } catch (error) {
        if (!(error instanceof Error) || !('code' in error)) throw error // a process that ended meanwhile
      }
    }
  }
})

test('user code cannot see the server’s environment or keys', async () => {
  const result = await server.admin.execute({
    language: 'bash',
    code: 'cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr "\\0" "\\n"; env; ls -la / /opt /workspace',
  })
  assert.equal(result.stdout.includes(server.adminKey), false)
  assert.equal(result.stdout.includes('CLOCHE_BASE_DIR'), false)
  assert.equal(result.stdout.includes(server.dataDir), false)
})
