import assert from 'node:assert/strict'
import test from 'node:test'
import { importsOf, loopIn, objection, specifiersIn, typescriptFiles } from './imports.ts'
import { isTest, sourcesUnder } from './repository.ts'

/** Programs that tests run, which may use whatever the test is about. */
const testParts: Readonly<Record<string, string>> = {
  'src/store/crash-writer.ts': 'the program that the crash test kills',
}

test('every module under src imports only from rows above it', () => {
  const code = sourcesUnder('src').filter((path) => !isTest(path) && !(path in testParts))
  const objections = code.flatMap((path) => importsOf(path).flatMap((to) => objection(path, to) ?? []))
  assert.deepEqual(objections, [])
})

test('no file is part of an import loop', () => {
  assert.equal(
    loopIn(new Map(typescriptFiles.map((path) => [path, importsOf(path)])))?.join('\n  -> '),
    undefined,
  )
})

test('the TypeScript SDK needs nothing but itself and the platform it runs on', () => {
  const foreign = sourcesUnder('sdk/typescript/src')
    .filter((path) => !path.endsWith('.test.ts'))
    .flatMap((path) => importsOf(path).filter((to) => !to.startsWith('sdk/typescript/')))
  assert.deepEqual(foreign, [])
})

test('the rule itself sees each spelling of an import, and none in a comment', () => {
  const text = [
    "import a from './a.ts'",
    "import {\n  b,\n  type C,\n} from './b.ts'",
    "import './c.ts'",
    "export * from './d.ts'",
    "const e = await import('./e.ts')",
    "// import f from './f.ts'",
    "/* import g from './g.ts' */",
  ].join('\n')
  assert.deepEqual(specifiersIn(text), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts'])
})

test('the rule itself objects to an import upwards, sideways or out of src', () => {
  assert.equal(objection('src/pool/pool.ts', 'src/std/clock.ts'), undefined)
  assert.match(objection('src/std/clock.ts', 'src/pool/pool.ts') ?? '', /not above std/)
  assert.match(objection('src/store/store.ts', 'src/blobs/blobs.ts') ?? '', /not above store/)
  assert.match(objection('src/pool/pool.ts', 'test/support/client.ts') ?? '', /outside src/)
  assert.deepEqual(
    loopIn(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    ['b', 'c', 'b'],
  )
})
