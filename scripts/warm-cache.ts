/**
 * Loads every module of the server and the command line once, so that Node keeps what it compiled. Without it the first
 * server after an install would carry the compiler for types in its memory, some 40 MB, until it is started again.
 *
 * Run with NODE_COMPILE_CACHE set to the folder that bin/cloche uses. Modules do no work when they are loaded. Of the
 * programs, a worker is compiled and then ends for want of a parent, and the command line is started for its version.
 */
import { globSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { resolve } from 'node:path'

const home = resolve(import.meta.dirname, '..')
const left = /\.test\.ts$|\/test-[a-z-]+\.ts$|\/main\.ts$|-writer\.ts$/

const modules = globSync('src/**/*.ts', { cwd: home }).filter((path) => !left.test(path))
await Promise.allSettled(modules.map((path) => import(resolve(home, path))))
flushCompileCache()
