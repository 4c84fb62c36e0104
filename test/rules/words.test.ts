import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import test from 'node:test'
import { files, home, isTest, linesMatching, read, sourcesUnder, withoutComments } from './repository.ts'

const text = files.filter((path) => !/\.(png|jpg|ico|woff2?|gz|zip|db|bin)$/.test(path))
const code = sourcesUnder('src').filter((path) => !isTest(path))

/** Who may read the environment, and what for. A name that ends in a slash stands for a folder. */
const environmentReaders: Readonly<Record<string, string>> = {
  'src/server/config.ts': 'the server’s settings',
  'src/server/settings.ts': 'where a person’s data is by default',
  'src/cli/': 'where the command line finds its server and key, and variables to pass on to a program',
}

/** Who may use the machine's time directly: deadlines of real sockets, processes and files, which no test can move. */
const timeReaders: Readonly<Record<string, string>> = {
  'src/api/kernel/body.ts': 'a client that stops sending is cut off',
  'src/api/kernel/respond.ts': 'a client that stops reading is cut off',
  'src/egress/egress.ts': 'a dial that nobody answers is given up',
  'src/sandbox/native/launcher-client.ts': 'a launcher that does not end is killed',
  'src/api/routes/events.ts': 'heart-beats of an open connection',
  'src/api/stream/session.ts': 'heart-beats and deadlines of an open connection',
  'src/server/': 'deadlines of start and shutdown, and the age of the process',
  'src/cli/': 'deadlines of what a person waits for',
  'src/store/crash-writer.ts': 'writes until a test kills it',
  'src/store/test-records.ts': 'records made for tests',
  'src/blobs/folder.ts': 'the age of a file is judged by the file system’s own time',
}

function linesIn(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) => linesMatching(path, pattern))
}

function excused(path: string, names: Readonly<Record<string, string>>): boolean {
  return Object.keys(names).some((name) => (name.endsWith('/') ? path.startsWith(name) : path === name))
}

/** Lines of code, comments left out. */
function codeLinesIn(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) => linesMatching(path, pattern, withoutComments(read(path))))
}

test('no file puts work off', () => {
  const putOff = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].map((word) => `\\b${word}\\b`).join('|'),
  )
  assert.deepEqual(linesIn(text, putOff), [])
  assert.deepEqual(
    linesIn(text, new RegExp(`not ${'implemented'} yet|lorem ${'ipsum'}|for ${'now'}, just`, 'i')),
    [],
  )
})

test('no file names the folder it was written in, somebody’s home, or the number of a report', () => {
  const parent = dirname(home)
  const shared = ['/', '/opt', '/srv', '/home', '/root', '/usr/src', '/var', tmpdir()]
  const places = [home, ...(shared.includes(parent) ? [] : [parent])].map(
    (place) => `${RegExp.escape(place)}/`,
  )
  assert.deepEqual(linesIn(text, new RegExp(`(?<![\\w.$}-])(${places.join('|')})`)), [])
  assert.deepEqual(linesIn(text, /(?<![\w.$}-])\/(home|Users)\/[a-z]\w*\//), [])
  assert.deepEqual(linesIn(text, /\b(issue|ticket) #?\d+\b/i), [])
})

test('no file names the host of a package registry or mirror: the clients’ own settings do', () => {
  const hosts =
    /\bregistry\.[a-z]+js\.|\bregistry\.yarn|\bdeb\.debian\.|\b(security|archive|snapshot)\.(debian|ubuntu)\.|\bfiles\.pythonhosted|\bpypi\.org/i
  assert.deepEqual(linesIn(text, hosts), [])
})

test('the environment is read in one place, so that every setting has one spelling and one check', () => {
  const readers = code.filter((path) => !excused(path, environmentReaders))
  assert.deepEqual(codeLinesIn(readers, /\bprocess\.env\b/), [])
})

test('time comes from the clock module, so that tests can move it', () => {
  const readers = code.filter((path) => !/^src\/std\/clock\b/.test(path) && !excused(path, timeReaders))
  const ambient = /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(Timeout|Interval)\(|node:timers/
  assert.deepEqual(codeLinesIn(readers, ambient), [])
})

test('names of files are kebab-case', () => {
  const named = files.filter((path) => /^(src|sdk|native|guest|test|bench|scripts)\//.test(path))
  const odd = named.filter(
    (path) => !/programs\/|\/(\.[a-z]+|Makefile|README\.md|__\w+__\.py|\w+_\w+\.py)$/.test(path),
  )
  assert.deepEqual(
    odd.filter((path) => !/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(path.slice(path.lastIndexOf('/') + 1))),
    [],
  )
})

/** Tests of what several files do together, and so without one file to stand beside. */
const lonelyTests: Readonly<Record<string, string>> = {
  'src/store/crash.test.ts': 'the whole store, killed at any moment',
}

test('every test under src stands beside the file it tests', () => {
  const lonely = sourcesUnder('src')
    .filter(isTest)
    .filter((path) => !(path in lonelyTests) && !files.includes(path.replace(/\.test\.ts$/, '.ts')))
  assert.deepEqual(lonely, [])
})

test('every module opens with a paragraph that says what it is for', () => {
  const modules = new Set(code.map((path) => path.split('/').slice(0, 2).join('/')))
  const silent = [...modules].filter(
    (module) =>
      module.split('/').length === 2 &&
      !module.endsWith('.ts') &&
      !code.some(
        (path) => dirname(path) === module && /^(#!.*\n)?\s*\/\*\*?[\s\S]{80,}?\*\//.test(read(path)),
      ),
  )
  assert.deepEqual(silent, [])
})
