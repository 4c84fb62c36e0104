// Made from the error registry (src/model) by scripts/generate; a test fails when the two differ.
import { ClocheError } from '../errors.ts'

export interface ErrorFacts {
  readonly status: number
  readonly fault: string
  readonly retryable: boolean
  readonly title: string
  readonly hint: string
}

export const errorFacts: Readonly<Record<string, ErrorFacts>> = {
  invalid_request: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'The request does not fit its schema',
    hint: 'Correct every path that is named. /openapi.json describes each route; unknown keys are refused, not ignored.',
  },
  invalid_json: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'The body is not JSON',
    hint: 'Send one JSON value in UTF-8, and let a JSON library do the quoting.',
  },
  unsupported_media_type: {
    status: 415,
    fault: 'caller',
    retryable: false,
    title: 'The content type is not supported here',
    hint: 'Set the content-type header to one of those that are named.',
  },
  payload_too_large: {
    status: 413,
    fault: 'caller',
    retryable: false,
    title: 'Too large',
    hint: 'Send large files as multipart parts: they are streamed and bounded only by the disk limit.',
  },
  limit_too_high: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'More than this server gives one execution',
    hint: 'Ask for less, or have the operator raise the limit.',
  },
  mode_not_available: {
    status: 501,
    fault: 'caller',
    retryable: false,
    title: 'This mode does not exist yet',
    hint: 'Use one of the available modes: "ephemeral" for a fresh sandbox, "cached" for a warm one of your own.',
  },
  language_unknown: {
    status: 400,
    fault: 'caller',
    retryable: false,
    title: 'Unknown language',
    hint: 'Use one of the known languages, or give `command` to run any program of the base tree.',
  },
  request_timeout: {
    status: 408,
    fault: 'caller',
    retryable: true,
    title: 'The request came too slowly',
    hint: 'Send the whole request at once; large files go faster as multipart parts.',
  },
  slow_consumer: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The output was not read fast enough',
    hint: "Read faster, or fetch the output afterwards from the execution's logs.",
  },
  unauthorized: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'No valid API key',
    hint: 'Send "Authorization: Bearer clo_…" or "x-api-key: clo_…". The first admin key is in the file admin.key of the data folder.',
  },
  key_expired: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'The API key has expired',
    hint: 'Create a new key with "cloche keys create" or POST /api/v1/keys.',
  },
  key_revoked: {
    status: 401,
    fault: 'caller',
    retryable: false,
    title: 'The API key was revoked',
    hint: 'Create a new key with "cloche keys create" or POST /api/v1/keys.',
  },
  forbidden: {
    status: 403,
    fault: 'caller',
    retryable: false,
    title: 'The API key does not allow this',
    hint: 'Use a key with that scope; "manage" includes "execute", "admin" includes both.',
  },
  not_found: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'Not found',
    hint: 'Check the id and that the key belongs to the right tenant; old records are removed by the retention limits.',
  },
  route_not_found: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'No such route',
    hint: 'GET /openapi.json lists every route.',
  },
  method_not_allowed: {
    status: 405,
    fault: 'caller',
    retryable: false,
    title: 'Method not allowed',
    hint: 'GET /openapi.json lists every route with its methods.',
  },
  rate_limited: {
    status: 429,
    fault: 'caller',
    retryable: true,
    title: 'Too many requests',
    hint: 'Wait as long as the retry-after header says, or use a key with a higher limit.',
  },
  quota_exceeded: {
    status: 429,
    fault: 'caller',
    retryable: true,
    title: 'The tenant has all it may have',
    hint: 'Wait until some have ended, delete what is not needed, or have the operator raise the quota.',
  },
  conflict: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'This does not fit the present state',
    hint: 'Read the present state, then decide again.',
  },
  idempotency_conflict: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The idempotency key was used for another request',
    hint: 'Take a new key for each different request; repeat a key only with exactly the same request.',
  },
  environment_unknown: {
    status: 404,
    fault: 'caller',
    retryable: false,
    title: 'Unknown environment',
    hint: 'Create it with POST /api/v1/environments, or give the packages inline.',
  },
  environment_not_ready: {
    status: 409,
    fault: 'caller',
    retryable: true,
    title: 'The environment is not ready',
    hint: 'GET /api/v1/environments/{name} until its status is "ready".',
  },
  execution_not_running: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution is not running',
    hint: 'Input, signals and cancelling need a live execution; GET it for its result.',
  },
  execution_still_running: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution has not ended',
    hint: 'Cancel it with POST /api/v1/executions/{id}/cancel and wait for its end.',
  },
  execution_cancelled: {
    status: 409,
    fault: 'caller',
    retryable: false,
    title: 'The execution was cancelled',
    hint: 'Send the request again if its result is needed after all.',
  },
  output_unavailable: {
    status: 410,
    fault: 'caller',
    retryable: false,
    title: 'The output is not kept',
    hint: 'Fetch output before the retention limits remove it, or have the operator raise them.',
  },
  environment_build_failed: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The environment could not be built',
    hint: 'Check package names and versions, and that the package index can be reached from this server.',
  },
  program_not_started: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The program could not be started',
    hint: 'Check the name, the working directory and the mode of the file; the first part of `command` is looked up in PATH.',
  },
  protocol_violation: {
    status: 502,
    fault: 'program',
    retryable: false,
    title: 'The sandbox broke its protocol',
    hint: 'Ordinary programs cannot cause this. If yours does not attack the sandbox, please report it.',
  },
  network_policy_refused: {
    status: 403,
    fault: 'program',
    retryable: false,
    title: 'The network policy does not allow this',
    hint: 'Add the name or network to `network.allow`. Loopback, private and link-local addresses of the host are never reachable.',
  },
  output_limit_exceeded: {
    status: 413,
    fault: 'program',
    retryable: false,
    title: 'The program left too much output',
    hint: 'Name fewer or smaller files in `outputs`, or compress them inside the sandbox.',
  },
  files_refused: {
    status: 422,
    fault: 'program',
    retryable: false,
    title: 'The files could not be moved',
    hint: 'Paths are under /workspace unless they begin with "/"; only /workspace, /tmp and /var/tmp can be written. Look at the disk limit too.',
  },
  port_unreachable: {
    status: 502,
    fault: 'program',
    retryable: true,
    title: 'Nobody answers in the sandbox',
    hint: 'Check that the program listens on this port, on 127.0.0.1, ::1 or every address.',
  },
  queue_full: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server has no room for more',
    hint: 'Try again after the time in retry-after, send fewer at once, or give the server more memory.',
  },
  queue_timeout: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'No sandbox came free in time',
    hint: 'Try again later, send fewer at once, or ask for less memory so that more fit.',
  },
  sandbox_unavailable: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'This machine cannot make sandboxes',
    hint: 'The operator runs "cloche doctor", which names what is missing and the remedy.',
  },
  sandbox_start_failed: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The sandbox could not be started',
    hint: 'Try again. If it stays, the operator finds the cause in the server\'s log and with "cloche doctor".',
  },
  sandbox_lost: {
    status: 502,
    fault: 'platform',
    retryable: false,
    title: 'The sandbox was lost while the code ran',
    hint: 'Send it again only if running it twice does no harm.',
  },
  execution_interrupted: {
    status: 502,
    fault: 'platform',
    retryable: false,
    title: 'The server stopped while the code ran',
    hint: 'Send it again only if running it twice does no harm.',
  },
  storage_full: {
    status: 507,
    fault: 'platform',
    retryable: false,
    title: "The server's disk is full",
    hint: 'The operator frees space, moves the data folder, or lowers the retention limits.',
  },
  not_ready: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server is starting',
    hint: 'Wait until GET /ready answers 200.',
  },
  shutting_down: {
    status: 503,
    fault: 'platform',
    retryable: true,
    title: 'The server is stopping',
    hint: 'Try again in a moment: another start will answer.',
  },
  store_in_use: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Another server uses this data folder',
    hint: 'Stop the other server, or give this one a data folder of its own with --data.',
  },
  store_too_new: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'The database was written by a newer version',
    hint: 'Start the newer version again, or restore the copy made before the upgrade. Nothing was changed.',
  },
  store_damaged: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'The database cannot be read',
    hint: "Check the disk and the file's owner and mode; restore a backup if the file is damaged.",
  },
  blob_damaged: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Stored bytes are damaged',
    hint: 'The operator checks the disk. What referred to these bytes has to be made again.',
  },
  internal: {
    status: 500,
    fault: 'platform',
    retryable: false,
    title: 'Something went wrong inside the server',
    hint: "Report the request id: the server's log has the cause under it.",
  },
}

/** The request does not fit its schema. Correct every path that is named. /openapi.json describes each route; unknown keys are refused, not ignored. */
export class InvalidRequestError extends ClocheError {}

/** The body is not JSON. Send one JSON value in UTF-8, and let a JSON library do the quoting. */
export class InvalidJsonError extends ClocheError {}

/** The content type is not supported here. Set the content-type header to one of those that are named. */
export class UnsupportedMediaTypeError extends ClocheError {}

/** Too large. Send large files as multipart parts: they are streamed and bounded only by the disk limit. */
export class PayloadTooLargeError extends ClocheError {}

/** More than this server gives one execution. Ask for less, or have the operator raise the limit. */
export class LimitTooHighError extends ClocheError {}

/** This mode does not exist yet. Use one of the available modes: "ephemeral" for a fresh sandbox, "cached" for a warm one of your own. */
export class ModeNotAvailableError extends ClocheError {}

/** Unknown language. Use one of the known languages, or give `command` to run any program of the base tree. */
export class LanguageUnknownError extends ClocheError {}

/** The request came too slowly. Send the whole request at once; large files go faster as multipart parts. */
export class RequestTimeoutError extends ClocheError {}

/** The output was not read fast enough. Read faster, or fetch the output afterwards from the execution's logs. */
export class SlowConsumerError extends ClocheError {}

/** No valid API key. Send "Authorization: Bearer clo_…" or "x-api-key: clo_…". The first admin key is in the file admin.key of the data folder. */
export class UnauthorizedError extends ClocheError {}

/** The API key has expired. Create a new key with "cloche keys create" or POST /api/v1/keys. */
export class KeyExpiredError extends ClocheError {}

/** The API key was revoked. Create a new key with "cloche keys create" or POST /api/v1/keys. */
export class KeyRevokedError extends ClocheError {}

/** The API key does not allow this. Use a key with that scope; "manage" includes "execute", "admin" includes both. */
export class ForbiddenError extends ClocheError {}

/** Not found. Check the id and that the key belongs to the right tenant; old records are removed by the retention limits. */
export class NotFoundError extends ClocheError {}

/** No such route. GET /openapi.json lists every route. */
export class RouteNotFoundError extends ClocheError {}

/** Method not allowed. GET /openapi.json lists every route with its methods. */
export class MethodNotAllowedError extends ClocheError {}

/** Too many requests. Wait as long as the retry-after header says, or use a key with a higher limit. */
export class RateLimitedError extends ClocheError {}

/** The tenant has all it may have. Wait until some have ended, delete what is not needed, or have the operator raise the quota. */
export class QuotaExceededError extends ClocheError {}

/** This does not fit the present state. Read the present state, then decide again. */
export class ConflictError extends ClocheError {}

/** The idempotency key was used for another request. Take a new key for each different request; repeat a key only with exactly the same request. */
export class IdempotencyConflictError extends ClocheError {}

/** Unknown environment. Create it with POST /api/v1/environments, or give the packages inline. */
export class EnvironmentUnknownError extends ClocheError {}

/** The environment is not ready. GET /api/v1/environments/{name} until its status is "ready". */
export class EnvironmentNotReadyError extends ClocheError {}

/** The execution is not running. Input, signals and cancelling need a live execution; GET it for its result. */
export class ExecutionNotRunningError extends ClocheError {}

/** The execution has not ended. Cancel it with POST /api/v1/executions/{id}/cancel and wait for its end. */
export class ExecutionStillRunningError extends ClocheError {}

/** The execution was cancelled. Send the request again if its result is needed after all. */
export class ExecutionCancelledError extends ClocheError {}

/** The output is not kept. Fetch output before the retention limits remove it, or have the operator raise them. */
export class OutputUnavailableError extends ClocheError {}

/** The environment could not be built. Check package names and versions, and that the package index can be reached from this server. */
export class EnvironmentBuildFailedError extends ClocheError {}

/** The program could not be started. Check the name, the working directory and the mode of the file; the first part of `command` is looked up in PATH. */
export class ProgramNotStartedError extends ClocheError {}

/** The sandbox broke its protocol. Ordinary programs cannot cause this. If yours does not attack the sandbox, please report it. */
export class ProtocolViolationError extends ClocheError {}

/** The network policy does not allow this. Add the name or network to `network.allow`. Loopback, private and link-local addresses of the host are never reachable. */
export class NetworkPolicyRefusedError extends ClocheError {}

/** The program left too much output. Name fewer or smaller files in `outputs`, or compress them inside the sandbox. */
export class OutputLimitExceededError extends ClocheError {}

/** The files could not be moved. Paths are under /workspace unless they begin with "/"; only /workspace, /tmp and /var/tmp can be written. Look at the disk limit too. */
export class FilesRefusedError extends ClocheError {}

/** Nobody answers in the sandbox. Check that the program listens on this port, on 127.0.0.1, ::1 or every address. */
export class PortUnreachableError extends ClocheError {}

/** The server has no room for more. Try again after the time in retry-after, send fewer at once, or give the server more memory. */
export class QueueFullError extends ClocheError {}

/** No sandbox came free in time. Try again later, send fewer at once, or ask for less memory so that more fit. */
export class QueueTimeoutError extends ClocheError {}

/** This machine cannot make sandboxes. The operator runs "cloche doctor", which names what is missing and the remedy. */
export class SandboxUnavailableError extends ClocheError {}

/** The sandbox could not be started. Try again. If it stays, the operator finds the cause in the server's log and with "cloche doctor". */
export class SandboxStartFailedError extends ClocheError {}

/** The sandbox was lost while the code ran. Send it again only if running it twice does no harm. */
export class SandboxLostError extends ClocheError {}

/** The server stopped while the code ran. Send it again only if running it twice does no harm. */
export class ExecutionInterruptedError extends ClocheError {}

/** The server's disk is full. The operator frees space, moves the data folder, or lowers the retention limits. */
export class StorageFullError extends ClocheError {}

/** The server is starting. Wait until GET /ready answers 200. */
export class NotReadyError extends ClocheError {}

/** The server is stopping. Try again in a moment: another start will answer. */
export class ShuttingDownError extends ClocheError {}

/** Another server uses this data folder. Stop the other server, or give this one a data folder of its own with --data. */
export class StoreInUseError extends ClocheError {}

/** The database was written by a newer version. Start the newer version again, or restore the copy made before the upgrade. Nothing was changed. */
export class StoreTooNewError extends ClocheError {}

/** The database cannot be read. Check the disk and the file's owner and mode; restore a backup if the file is damaged. */
export class StoreDamagedError extends ClocheError {}

/** Stored bytes are damaged. The operator checks the disk. What referred to these bytes has to be made again. */
export class BlobDamagedError extends ClocheError {}

/** Something went wrong inside the server. Report the request id: the server's log has the cause under it. */
export class InternalError extends ClocheError {}

export const errorClasses: Readonly<Record<string, typeof ClocheError>> = {
  invalid_request: InvalidRequestError,
  invalid_json: InvalidJsonError,
  unsupported_media_type: UnsupportedMediaTypeError,
  payload_too_large: PayloadTooLargeError,
  limit_too_high: LimitTooHighError,
  mode_not_available: ModeNotAvailableError,
  language_unknown: LanguageUnknownError,
  request_timeout: RequestTimeoutError,
  slow_consumer: SlowConsumerError,
  unauthorized: UnauthorizedError,
  key_expired: KeyExpiredError,
  key_revoked: KeyRevokedError,
  forbidden: ForbiddenError,
  not_found: NotFoundError,
  route_not_found: RouteNotFoundError,
  method_not_allowed: MethodNotAllowedError,
  rate_limited: RateLimitedError,
  quota_exceeded: QuotaExceededError,
  conflict: ConflictError,
  idempotency_conflict: IdempotencyConflictError,
  environment_unknown: EnvironmentUnknownError,
  environment_not_ready: EnvironmentNotReadyError,
  execution_not_running: ExecutionNotRunningError,
  execution_still_running: ExecutionStillRunningError,
  execution_cancelled: ExecutionCancelledError,
  output_unavailable: OutputUnavailableError,
  environment_build_failed: EnvironmentBuildFailedError,
  program_not_started: ProgramNotStartedError,
  protocol_violation: ProtocolViolationError,
  network_policy_refused: NetworkPolicyRefusedError,
  output_limit_exceeded: OutputLimitExceededError,
  files_refused: FilesRefusedError,
  port_unreachable: PortUnreachableError,
  queue_full: QueueFullError,
  queue_timeout: QueueTimeoutError,
  sandbox_unavailable: SandboxUnavailableError,
  sandbox_start_failed: SandboxStartFailedError,
  sandbox_lost: SandboxLostError,
  execution_interrupted: ExecutionInterruptedError,
  storage_full: StorageFullError,
  not_ready: NotReadyError,
  shutting_down: ShuttingDownError,
  store_in_use: StoreInUseError,
  store_too_new: StoreTooNewError,
  store_damaged: StoreDamagedError,
  blob_damaged: BlobDamagedError,
  internal: InternalError,
}
