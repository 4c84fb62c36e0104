/** An environment's packages are found by a forked interpreter, by the plain command, and by the processes they start. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { type Program, Runtimes } from './runtime.ts'

const LAYER = '0123456789abcdef'.repeat(4)
const FILES = {
  'python/layered.py': 'text = "from the layer"',
  'python/extra.pth': 'import sys; sys.from_pth = True\n',
  'node/node_modules/plain/package.json': '{"name":"plain","version":"1.0.0","main":"main.js"}',
  'node/node_modules/plain/main.js': 'exports.text = "plain " + require("modern").text',
  'node/node_modules/modern/package.json':
    '{"name":"modern","version":"1.0.0","type":"module","exports":"./main.js"}',
  'node/node_modules/modern/main.js': 'export const text = "from the layer"',
}

const folder = await mkdtemp(join(tmpdir(), 'cloche-layers-'))
for (const [path, text] of Object.entries(FILES)) {
  await mkdir(dirname(join(folder, LAYER, path)), { recursive: true })
  await writeFile(join(folder, LAYER, path), text)
}
const runtimes = await Runtimes.open(folder)
after(async () => {
  await runtimes.close()
  await rm(folder, { recursive: true, force: true })
})

async function prints(program: Program, expected: string): Promise<void> {
  for (const way of ['cold', 'fork'] as const) {
    const outcome = await runtimes.run(program, way, [LAYER])
    assert.deepEqual([way, outcome.stdout.toString(), outcome.stderr], [way, expected, ''])
  }
}

test('a Python program and what it starts import packages of the environment', async () => {
  const code = `
import sys, layered, subprocess
print(layered.text, sys.from_pth, layered.__file__)
print([entry for entry in sys.path if "packages" in entry or "env" in entry])
print(subprocess.run([sys.executable, "-c", "import layered; print(layered.text)"], capture_output=True, text=True))`
  const found = '/usr/local/lib/python3.11/dist-packages'
  await prints(
    { language: 'python', code },
    `from the layer True ${found}/layered.py
['${found}', '/usr/lib/python3/dist-packages']
CompletedProcess(args=['/usr/bin/python3', '-c', 'import layered; print(layered.text)'], returncode=0, stdout='from the layer\\n', stderr='')
`,
  )
})

test('modules of both kinds import packages of the environment', async () => {
  const es = `
import { text } from 'modern'
import plain from 'plain'
import { execFileSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
console.log(text, plain.text, import.meta.resolve('modern'))
console.log(execFileSync(process.execPath, ['-p', 'require("plain").text']).toString())`
  await prints(
    { language: 'javascript', code: es },
    'from the layer plain from the layer file:///opt/env/node/node_modules/modern/main.js\nplain from the layer\n\n',
  )
  const common = 'console.log(require("plain").text, require.resolve("plain"))'
  await prints(
    { language: 'javascript', code: common },
    'plain from the layer /opt/env/node/node_modules/plain/main.js\n',
  )
  await prints(
    { language: 'typescript', code: 'import { text } from "modern"; const n: string = text; console.log(n)' },
    'from the layer\n',
  )
})
