/* Errors whose cause is the platform: nothing is wrong with the request. */
import { formatDuration } from '../std/units.ts'
import type { Entries } from './error-details.ts'

export const platformErrors: Entries<
  | 'queue_full'
  | 'queue_timeout'
  | 'sandbox_unavailable'
  | 'sandbox_start_failed'
  | 'sandbox_lost'
  | 'execution_interrupted'
  | 'storage_full'
  | 'not_ready'
  | 'shutting_down'
  | 'store_in_use'
  | 'store_too_new'
  | 'store_damaged'
  | 'blob_damaged'
  | 'internal'
> = {
  queue_full: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server has no room for more',
    detail: ({ capacity }) =>
      `All ${capacity} places in the queue are taken; the execution was not accepted.`,
    hint: 'Try again after the time in retry-after, send fewer at once, or give the server more memory.',
    example: { capacity: 4096, retryAfterMs: 1000 },
  },
  queue_timeout: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'No sandbox came free in time',
    detail: ({ waitedMs }) =>
      `The execution waited ${formatDuration(waitedMs)} for a sandbox and was given up before its code began.`,
    hint: 'Try again later, send fewer at once, or ask for less memory so that more fit.',
    example: { waitedMs: 30_000 },
  },
  sandbox_unavailable: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'This machine cannot make sandboxes',
    detail: ({ driver, reason }) => `The ${driver} driver is not available: ${reason}.`,
    hint: 'The operator runs "cloche doctor", which names what is missing and the remedy.',
    example: { driver: 'native', reason: 'the kernel has no idmapped mounts (5.19 or newer is needed)' },
  },
  sandbox_start_failed: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The sandbox could not be started',
    detail: ({ step }) => `Making the sandbox failed while ${step}; no code has run.`,
    hint: 'Try again. If it stays, the operator finds the cause in the server\'s log and with "cloche doctor".',
    example: { step: 'mounting the root' },
  },
  sandbox_lost: {
    status: 502,
    fault: 'platform',
    retryable: false,
    title: 'The sandbox was lost while the code ran',
    detail: ({ reason }) =>
      `The sandbox ended before the program did: ${reason}. Some of the code may have run.`,
    hint: 'Send it again only if running it twice does no harm.',
    example: { reason: 'its first process was killed from outside' },
  },
  execution_interrupted: {
    status: 502,
    fault: 'platform',
    retryable: false,
    title: 'The server stopped while the code ran',
    detail: ({ id }) =>
      `The server ended while execution "${id}" was running. Some of the code may have run, so it was not started again.`,
    hint: 'Send it again only if running it twice does no harm.',
    example: { id: 'exec_01k8z3v7qe000abcdefghjkmnp' },
  },
  storage_full: {
    status: 507,
    fault: 'platform',
    retryable: false,
    title: "The server's disk is full",
    detail: () => 'The server could not write to its data folder.',
    hint: 'The operator frees space, moves the data folder, or lowers the retention limits.',
    example: {},
  },
  not_ready: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server is starting',
    detail: ({ reason }) => `The server does not take work yet: ${reason}.`,
    hint: 'Wait until GET /ready answers 200.',
    example: { reason: 'the base tree is being built', retryAfterMs: 1000 },
  },
  shutting_down: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server is stopping',
    detail: () => 'The server takes no new work because it is stopping.',
    hint: 'Try again in a moment: another start will answer.',
    example: { retryAfterMs: 2000 },
  },
  store_in_use: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Another server uses this data folder',
    detail: ({ path }) => `${path} is open in another process.`,
    hint: 'Stop the other server, or give this one a data folder of its own with --data.',
    example: { path: 'cloche.db' },
  },
  store_too_new: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'The database was written by a newer version',
    detail: ({ path, found, known }) =>
      `${path} has schema ${found}; this version knows schemas up to ${known}.`,
    hint: 'Start the newer version again, or restore the copy made before the upgrade. Nothing was changed.',
    example: { path: 'cloche.db', found: 7, known: 3 },
  },
  store_damaged: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'The database cannot be read',
    detail: ({ path, reason }) => `${path} cannot be used: ${reason}.`,
    hint: "Check the disk and the file's owner and mode; restore a backup if the file is damaged.",
    example: { path: 'cloche.db', reason: 'file is not a database' },
  },
  blob_damaged: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Stored bytes are damaged',
    detail: ({ hash }) => `Blob ${hash} does not hold the bytes it is named after.`,
    hint: 'The operator checks the disk. What referred to these bytes has to be made again.',
    example: { hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
  },
  internal: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Something went wrong inside the server',
    detail: () => 'The server met a condition it was not made for.',
    hint: "Report the request id: the server's log has the cause under it.",
    example: {},
  },
}
