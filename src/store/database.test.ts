import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test, { type TestContext } from 'node:test'
import { isClocheError } from '../model/errors.ts'
import { Database, migrationFiles } from './database.ts'
import { tempDir } from './test-records.ts'

async function open(t: TestContext): Promise<{ path: string; db: Database }> {
  const path = join(await tempDir(t), 'cloche.db')
  const db = new Database(path)
  t.after(() => db.close())
  return { path, db }
}

const setting = (db: Database, name: string): void => {
  db.run('INSERT INTO settings (name, value) VALUES (?, ?)', name, '1')
}
const settings = (db: Database): unknown[] =>
  db.all<{ name: string }>('SELECT name FROM settings ORDER BY name').map((row) => row.name)

test("a new file gets every migration, is the owner's alone, and commits reach the disk", async (t) => {
  const { path, db } = await open(t)
  assert.equal(db.get<{ user_version: number }>('PRAGMA user_version')?.user_version, migrationFiles().length)
  assert.equal(db.get<{ synchronous: number }>('PRAGMA synchronous')?.synchronous, 2)
  assert.equal(db.get<{ journal_mode: string }>('PRAGMA journal_mode')?.journal_mode, 'wal')
  for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600, file)
})

test('a database from a newer version is refused and left as it was', async (t) => {
  const path = join(await tempDir(t), 'cloche.db')
  const newer = new DatabaseSync(path)
  newer.exec('PRAGMA user_version = 999')
  newer.close()
  assert.throws(
    () => new Database(path),
    (error) => isClocheError(error, 'store_too_new') && error.details.found === 999,
  )
})

test('a file that is no database is refused', async (t) => {
  const path = join(await tempDir(t), 'cloche.db')
  writeFileSync(path, 'hello, I am a text file. '.repeat(100))
  assert.throws(
    () => new Database(path),
    (error) => isClocheError(error, 'store_damaged') && /not a database/.test(error.detail),
  )
})

test('a second opening of the same file is refused while the first is open', async (t) => {
  const { path, db } = await open(t)
  assert.throws(
    () => new Database(path),
    (error) => isClocheError(error, 'store_in_use'),
  )
  setting(db, 'still works')
})

test('a step that fails takes back its own writes and no others of the transaction', async (t) => {
  const { db } = await open(t)
  db.atomically(() => setting(db, 'before'))
  assert.throws(
    () =>
      db.atomically(() => {
        setting(db, 'half')
        throw new Error('no')
      }),
    /no/,
  )
  db.atomically(() => setting(db, 'after'))
  db.commit()
  assert.deepEqual(settings(db), ['after', 'before'])
})

test('when the disk fills up in the middle, the whole transaction fails and says so', async (t) => {
  const { db } = await open(t)
  const pages = db.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0
  db.get(`PRAGMA max_page_count = ${pages + 8}`)
  db.atomically(() => setting(db, 'first of the transaction'))
  const large = 'x'.repeat(200_000)
  assert.throws(
    () => db.atomically(() => db.run('INSERT INTO settings (name, value) VALUES (?, ?)', 'large', large)),
    /full/,
  )
  let committed = true
  try {
    db.commit()
  } catch {
    committed = false
  }
  // Either SQLite kept the transaction, then its other steps are in; or it ended it, then nobody was told of success.
  assert.deepEqual(settings(db), committed ? ['first of the transaction'] : [])
  db.get('PRAGMA max_page_count = 1000000')
  db.atomically(() => setting(db, 'later'))
  db.commit()
  assert.ok(settings(db).includes('later'))
})
