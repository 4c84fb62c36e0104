/* Errors whose cause is the code that ran, or what it was given. */
import { formatBytes } from '../std/units.ts'
import type { Entries } from './error-details.ts'

export const programErrors: Entries<
  | 'environment_build_failed'
  | 'program_not_started'
  | 'protocol_violation'
  | 'network_policy_refused'
  | 'output_limit_exceeded'
  | 'files_refused'
  | 'port_unreachable'
> = {
  environment_build_failed: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The environment could not be built',
    detail: ({ name, reason }) => `Building environment "${name}" failed: ${reason}.`,
    hint: 'Check package names and versions, and that the package index can be reached from this server.',
    example: { name: 'science', reason: 'pip exited with 1: no matching distribution found for nunpy' },
  },
  program_not_started: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The program could not be started',
    detail: ({ program, reason }) => `"${program}" could not be started: ${reason}.`,
    hint: 'Check the name, the working directory and the mode of the file; the first part of `command` is looked up in PATH.',
    example: { program: 'pyhton3', reason: 'no such file or directory' },
  },
  protocol_violation: {
    status: 502,
    fault: 'program',
    retryable: false,
    title: 'The sandbox broke its protocol',
    detail: ({ what }) => `The sandbox was killed because of what it sent: ${what}.`,
    hint: 'Ordinary programs cannot cause this. If yours does not attack the sandbox, please report it.',
    example: { what: 'a frame of 70000 bytes' },
  },
  network_policy_refused: {
    status: 403,
    fault: 'program',
    retryable: false,
    title: 'The network policy does not allow this',
    detail: ({ target, reason }) => `A connection to ${target} was refused: ${reason}.`,
    hint: 'Add the name or network to `network.allow`. Loopback, private and link-local addresses of the host are never reachable.',
    example: { target: '169.254.169.254:80', reason: 'link-local addresses are never reachable' },
  },
  output_limit_exceeded: {
    status: 413,
    fault: 'program',
    retryable: false,
    title: 'The program left too much output',
    detail: ({ what, limitBytes }) => `${what} may have ${formatBytes(limitBytes)} at most.`,
    hint: 'Name fewer or smaller files in `outputs`, or compress them inside the sandbox.',
    example: { what: 'All output files together', limitBytes: 67_108_864 },
  },
  files_refused: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The files could not be moved',
    detail: ({ reason }) => `The sandbox could not write or read the files: ${reason}.`,
    hint: 'Paths are under /workspace unless they begin with "/"; only /workspace, /tmp and /var/tmp can be written. Look at the disk limit too.',
    example: { reason: '/etc/passwd: permission denied' },
  },
  port_unreachable: {
    status: 502,
    fault: 'program',
    retryable: true,
    title: 'Nobody answers in the sandbox',
    detail: ({ target, reason }) => `A connection to ${target} inside the sandbox failed: ${reason}.`,
    hint: 'Check that the program listens on this port, on 127.0.0.1, ::1 or every address.',
    example: { target: 'port 8080', reason: 'connection refused' },
  },
}
