import assert from 'node:assert/strict'
import test from 'node:test'
import { files, read } from './repository.ts'
import {
  fileLines,
  functionLines,
  functionsInC,
  functionsInPython,
  functionsInShell,
  longFiles,
  longFunctions,
  type Measured,
  testFileLines,
} from './sizes.ts'

const sources = /\.(ts|c|h|py|sh|js|mjs|cjs)$|^(bin|scripts)\/[^.]+$/
const generated = /\/generated\//

function measure(path: string): Measured[] {
  if (/\.[ch]$/.test(path)) return functionsInC(read(path))
  if (path.endsWith('.py')) return functionsInPython(read(path))
  if (/\.sh$|^(bin|scripts)\/[^.]+$/.test(path)) return functionsInShell(read(path))
  return []
}

function linesAllowed(path: string): number {
  return /^test\/|\/test\/|\.test\.ts$/.test(path) ? testFileLines : fileLines
}

const judged = files.filter((path) => sources.test(path) && !generated.test(path))

test(`no source file is longer than ${fileLines} lines, but for those with a name and a reason`, () => {
  const long = judged
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ path, lines }) => lines > linesAllowed(path) && !(path in longFiles))
  assert.deepEqual(long, [])
})

test(`no function is longer than ${functionLines} lines, but for those with a name and a reason`, () => {
  const long = judged.flatMap((path) =>
    measure(path)
      .filter(({ name, lines }) => lines > functionLines && !(`${path}: ${name}` in longFunctions))
      .map(({ name, lines }) => `${path}: ${name} has ${lines} lines`),
  )
  assert.deepEqual(long, [])
})

test('every exception is still needed', () => {
  const files = Object.keys(longFiles).filter(
    (path) => !judged.includes(path) || read(path).split('\n').length <= linesAllowed(path),
  )
  const functions = Object.keys(longFunctions).filter((key) => {
    const [path = '', name] = key.split(': ')
    return (
      !judged.includes(path) || !measure(path).some((one) => one.name === name && one.lines > functionLines)
    )
  })
  assert.deepEqual([...files, ...functions], [])
})

test('the rule itself measures a function in C, Python and shell', () => {
  const c =
    'static int first(int a)\n{\n    return a;\n}\n\nint second(void) {\n    if (1) {\n    }\n    return 2;\n}\n'
  assert.deepEqual(functionsInC(c), [
    { name: 'first', lines: 3 },
    { name: 'second', lines: 5 },
  ])
  const python =
    'class A:\n    def one(\n        self,\n    ):\n        pass\n\n        return 1\n\ndef two():\n    return 2\n'
  assert.deepEqual(functionsInPython(python), [
    { name: 'one', lines: 6 },
    { name: 'two', lines: 2 },
  ])
  assert.deepEqual(functionsInShell('short() { :; }\nlong() {\n  :\n}\n'), [{ name: 'long', lines: 3 }])
})
