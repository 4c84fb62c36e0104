/* Errors whose cause is the request: its form, the right to make it, or the state it meets. */
import { formatBytes, formatDuration } from '../std/units.ts'
import type { Entries } from './error-details.ts'

const request: Entries<
  | 'invalid_request'
  | 'invalid_json'
  | 'unsupported_media_type'
  | 'payload_too_large'
  | 'limit_too_high'
  | 'mode_not_available'
  | 'language_unknown'
  | 'request_timeout'
  | 'slow_consumer'
> = {
  invalid_request: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'The request does not fit its schema',
    detail: ({ problems }) =>
      problems.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; '),
    hint: 'Correct every path that is named. /openapi.json describes each route; unknown keys are refused, not ignored.',
    example: { problems: [{ path: 'timeoutMs', message: 'must be a whole number from 1 to 3600000' }] },
  },
  invalid_json: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'The body is not JSON',
    detail: ({ reason }) => `The body could not be read as JSON: ${reason}.`,
    hint: 'Send one JSON value in UTF-8, and let a JSON library do the quoting.',
    example: { reason: 'unexpected end of input at byte 41' },
  },
  unsupported_media_type: {
    status: 415,
    fault: 'caller',
    retryable: false,
    title: 'The content type is not supported here',
    detail: ({ given, supported }) =>
      `The request is ${given || 'without a content type'}; this route takes ${supported.join(' or ')}.`,
    hint: 'Set the content-type header to one of those that are named.',
    example: { given: 'text/plain', supported: ['application/json', 'multipart/form-data'] },
  },
  payload_too_large: {
    status: 413,
    fault: 'caller',
    retryable: false,
    title: 'Too large',
    detail: ({ what, limitBytes }) => `${what} may have ${formatBytes(limitBytes)} at most.`,
    hint: 'Send large files as multipart parts: they are streamed and bounded only by the disk limit.',
    example: { what: 'The request body', limitBytes: 33_554_432 },
  },
  limit_too_high: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'More than this server gives one execution',
    detail: ({ what, given, limit }) => `${what} is ${given}; this server allows ${limit} at most.`,
    hint: 'Ask for less, or have the operator raise the limit.',
    example: { what: 'resources.memoryMb', given: '131072', limit: '65536' },
  },
  mode_not_available: {
    status: 501,
    fault: 'caller',
    retryable: false,
    title: 'This mode does not exist yet',
    detail: ({ mode, available }) =>
      `Mode "${mode}" is not available in this version; available are ${available.join(', ')}.`,
    hint: 'Use one of the available modes: "ephemeral" for a fresh sandbox, "cached" for a warm one of your own.',
    example: { mode: 'checkpointed', available: ['ephemeral', 'cached'] },
  },
  language_unknown: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'Unknown language',
    detail: ({ language, known }) => `There is no language "${language}"; known are ${known.join(', ')}.`,
    hint: 'Use one of the known languages, or give `command` to run any program of the base tree.',
    example: { language: 'cobol', known: ['python', 'javascript', 'typescript', 'bash', 'shell'] },
  },
  request_timeout: {
    status: 408,
    fault: 'caller',
    retryable: true,
    title: 'The request came too slowly',
    detail: ({ waitedMs }) => `The request was not complete after ${formatDuration(waitedMs)}.`,
    hint: 'Send the whole request at once; large files go faster as multipart parts.',
    example: { waitedMs: 30_000 },
  },
  slow_consumer: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The output was not read fast enough',
    detail: ({ bufferedBytes }) =>
      `The connection was closed with ${formatBytes(bufferedBytes)} of unread output waiting.`,
    hint: "Read faster, or fetch the output afterwards from the execution's logs.",
    example: { bufferedBytes: 16_777_216 },
  },
}

const access: Entries<
  | 'unauthorized'
  | 'key_expired'
  | 'key_revoked'
  | 'forbidden'
  | 'not_found'
  | 'route_not_found'
  | 'method_not_allowed'
  | 'rate_limited'
  | 'quota_exceeded'
> = {
  unauthorized: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'No valid API key',
    detail: ({ reason }) =>
      ({
        missing: 'The request carries no API key.',
        malformed: 'What the request carries is not an API key.',
        unknown: 'The API key is not known here.',
      })[reason],
    hint: 'Send "Authorization: Bearer clo_…" or "x-api-key: clo_…". The first admin key is in the file admin.key of the data folder.',
    example: { reason: 'missing' },
  },
  key_expired: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'The API key has expired',
    detail: ({ expiredAt }) => `The API key was valid until ${new Date(expiredAt).toISOString()}.`,
    hint: 'Create a new key with "cloche keys create" or POST /api/v1/keys.',
    example: { expiredAt: 1_767_225_600_000 },
  },
  key_revoked: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'The API key was revoked',
    detail: () => 'The API key has been revoked and is not accepted any more.',
    hint: 'Create a new key with "cloche keys create" or POST /api/v1/keys.',
    example: {},
  },
  forbidden: {
    status: 403,
    fault: 'caller',
    retryable: false,
    title: 'The API key does not allow this',
    detail: ({ neededScope }) => `This needs a key with the scope "${neededScope}".`,
    hint: 'Use a key with that scope; "manage" includes "execute", "admin" includes both.',
    example: { neededScope: 'manage' },
  },
  not_found: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'Not found',
    detail: ({ what, id }) => `There is no ${what} "${id}".`,
    hint: 'Check the id and that the key belongs to the right tenant; old records are removed by the retention limits.',
    example: { what: 'execution', id: 'exec_01k8z3v7qe000abcdefghjkmnp' },
  },
  route_not_found: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'No such route',
    detail: ({ method, path }) => `Nothing answers ${method} ${path}.`,
    hint: 'GET /openapi.json lists every route.',
    example: { method: 'GET', path: '/api/v2/execute' },
  },
  method_not_allowed: {
    status: 405,
    fault: 'caller',
    retryable: false,
    title: 'Method not allowed',
    detail: ({ method, allowed }) => `This route does not take ${method}; it takes ${allowed.join(', ')}.`,
    hint: 'GET /openapi.json lists every route with its methods.',
    example: { method: 'PUT', allowed: ['GET', 'DELETE'] },
  },
  rate_limited: {
    status: 429,
    fault: 'caller',
    retryable: true,
    title: 'Too many requests',
    detail: ({ limitPerMinute, retryAfterMs }) =>
      `The key allows ${limitPerMinute} requests per minute; the next one is possible in ${formatDuration(retryAfterMs)}.`,
    hint: 'Wait as long as the retry-after header says, or use a key with a higher limit.',
    example: { limitPerMinute: 60, retryAfterMs: 740 },
  },
  quota_exceeded: {
    status: 429,
    fault: 'caller',
    retryable: true,
    title: 'The tenant has all it may have',
    detail: ({ what, limit }) => `The tenant may have ${limit} ${what} at a time.`,
    hint: 'Wait until some have ended, delete what is not needed, or have the operator raise the quota.',
    example: { what: 'running executions', limit: 100 },
  },
}

const state: Entries<
  | 'conflict'
  | 'idempotency_conflict'
  | 'environment_unknown'
  | 'environment_not_ready'
  | 'execution_not_running'
  | 'execution_still_running'
  | 'execution_cancelled'
  | 'output_unavailable'
> = {
  conflict: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'This does not fit the present state',
    detail: ({ what, reason }) => `The ${what} ${reason}.`,
    hint: 'Read the present state, then decide again.',
    example: { what: 'environment name "science"', reason: 'is taken' },
  },
  idempotency_conflict: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The idempotency key was used for another request',
    detail: ({ key }) => `The idempotency key "${key}" belongs to a request with other content.`,
    hint: 'Take a new key for each different request; repeat a key only with exactly the same request.',
    example: { key: 'order-1042' },
  },
  environment_unknown: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'Unknown environment',
    detail: ({ name }) => `There is no environment "${name}".`,
    hint: 'Create it with POST /api/v1/environments, or give the packages inline.',
    example: { name: 'science' },
  },
  environment_not_ready: {
    status: 409,
    fault: 'caller',
    retryable: true,
    title: 'The environment is not ready',
    detail: ({ name, status }) => `Environment "${name}" is ${status}.`,
    hint: 'GET /api/v1/environments/{name} until its status is "ready".',
    example: { name: 'science', status: 'building' },
  },
  execution_not_running: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution is not running',
    detail: ({ id, status }) => `Execution "${id}" is ${status}.`,
    hint: 'Input, signals and cancelling need a live execution; GET it for its result.',
    example: { id: 'exec_01k8z3v7qe000abcdefghjkmnp', status: 'succeeded' },
  },
  execution_still_running: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution has not ended',
    detail: ({ id, status }) => `Execution "${id}" is ${status}.`,
    hint: 'Cancel it with POST /api/v1/executions/{id}/cancel and wait for its end.',
    example: { id: 'exec_01k8z3v7qe000abcdefghjkmnp', status: 'running' },
  },
  execution_cancelled: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution was cancelled',
    detail: ({ id }) => `Execution "${id}" was ended at its caller's request.`,
    hint: 'Send the request again if its result is needed after all.',
    example: { id: 'exec_01k8z3v7qe000abcdefghjkmnp' },
  },
  output_unavailable: {
    status: 410,
    fault: 'caller',
    retryable: false,
    title: 'The output is not kept',
    detail: ({ id, what }) => `The ${what} of execution "${id}" is not available any more.`,
    hint: 'Fetch output before the retention limits remove it, or have the operator raise them.',
    example: { id: 'exec_01k8z3v7qe000abcdefghjkmnp', what: 'stdout' },
  },
}

export const callerErrors = { ...request, ...access, ...state }
