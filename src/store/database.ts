import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { fail, isClocheError } from '../model/errors.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)

/** Waiting for commits dominates; a larger page cache only costs memory. */
const CACHE_KIB = 2048
const WAL_LIMIT_BYTES = 16 * 1024 ** 2

type Row = Record<string, unknown>

/** The SQLite file, on the store's own thread. Statements are prepared once; transactions nest by savepoint. */
export class Database {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #lost: { readonly cause: unknown } | undefined

  /** Creates or upgrades the file; refuses one from a newer version and one that another process has open. */
  constructor(path: string) {
    this.#db = open(path)
  }

  get<T = Row>(sql: string, ...values: SQLInputValue[]): T | undefined {
    // Each statement stands next to the type of its rows, in the same file as the tables' only other users.
    return this.#prepared(sql).get(...values) as T | undefined
  }

  all<T = Row>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepared(sql).all(...values) as T[]
  }

  /** The number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes)
  }

  /** All of `work` or nothing, inside the open transaction (which the first one begins). */
  atomically<T>(work: () => T): T {
    if (this.#lost) throw this.#lost.cause
    if (!this.#db.isTransaction) this.run('BEGIN IMMEDIATE')
    this.run('SAVEPOINT step')
    try {
      const result = work()
      this.run('RELEASE step')
      return result
    } catch (error) {
      if (this.#db.isTransaction) {
        this.run('ROLLBACK TO step')
        this.run('RELEASE step')
      } else {
        // A full disk ends the whole transaction, and with it what earlier steps of it had written.
        this.#lost = { cause: error }
      }
      throw error
    }
  }

  /** On disk when it returns; when it throws, nothing of the transaction is. Does nothing when nothing was written. */
  commit(): void {
    if (this.#lost) {
      const { cause } = this.#lost
      this.#lost = undefined
      throw cause
    }
    if (!this.#db.isTransaction) return
    try {
      this.run('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.run('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.commit()
    this.#statements.clear()
    this.#db.close()
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function open(path: string): DatabaseSync {
  try {
    // The file holds key hashes and outputs: made readable for the owner before SQLite makes its own files like it.
    closeSync(openSync(path, 'a', 0o600))
    const db = new DatabaseSync(path)
    configure(db)
    migrate(db, path)
    return db
  } catch (error) {
    if (isClocheError(error)) throw error
    if (isSqlite(error, SQLITE_BUSY)) return fail('store_in_use', { path }, { cause: error })
    const reason = error instanceof Error ? error.message : String(error)
    return fail('store_damaged', { path, reason }, { cause: error })
  }
}

function configure(db: DatabaseSync): void {
  // Exclusive: one server owns the data folder, and the index of the write-ahead log needs no shared memory file.
  db.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA journal_size_limit = ${WAL_LIMIT_BYTES};
  `)
  // Takes the lock now rather than at the first write.
  db.exec('BEGIN IMMEDIATE; COMMIT')
}

const SQLITE_BUSY = 5
const SQLITE_FULL = 13

export function isSqlite(error: unknown, code: number): boolean {
  // The low byte is the primary code; the rest refines it.
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === code
}

export function isDiskFull(error: unknown): boolean {
  return isSqlite(error, SQLITE_FULL)
}

/** The numbered files in order: `0001-…`, `0002-…`, without a gap. */
export function migrationFiles(): string[] {
  const files = readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  files.forEach((name, index) => {
    if (Number(name.slice(0, 4)) !== index + 1)
      throw new Error(`migration ${name} is not number ${index + 1}`)
  })
  return files
}

/** Brings the schema up to date, one transaction for each file: a crash in between leaves a whole version. */
function migrate(db: DatabaseSync, path: string): void {
  const files = migrationFiles()
  const found = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (found > files.length) fail('store_too_new', { path, found, known: files.length })
  files.slice(found).forEach((name, index) => {
    db.exec('BEGIN IMMEDIATE')
    db.exec(readFileSync(new URL(name, MIGRATIONS), 'utf8'))
    db.exec(`PRAGMA user_version = ${found + index + 1}`)
    db.exec('COMMIT')
  })
}
