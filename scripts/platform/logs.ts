/** `make logs`: the log of the server that `make up` started, as it grows. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { placeFrom } from './place.ts'

const { log } = placeFrom(process.env)
if (existsSync(log)) {
  spawnSync('tail', ['-n', '100', '-F', log], { stdio: 'inherit' })
} else {
  process.stderr.write(`make logs: there is no log at ${log}; 'make up' starts a server that writes one\n`)
  process.exitCode = 1
}
