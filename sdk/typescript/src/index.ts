// @cloche/sdk: the client of a Cloche server. No dependencies; needs fetch, and WebSocket for stream().
export { bytesOf, textOf } from './bytes.ts'
export { type CallOptions, Cloche, Cloche as FaaSClient, type RunOptions } from './client.ts'
export {
  ClientTimeoutError,
  ClocheError,
  ConnectionError,
  type Problem,
  StreamClosedError,
  UnreadableAnswerError,
  UsageError,
} from './errors.ts'
export type { ListOptions, LogOptions } from './executions.ts'
export * from './generated/errors.ts'
export type * from './generated/types.ts'
export { type ClocheOptions, defaultEndpoint } from './options.ts'
export type { ExecuteRequest, FileContent } from './request.ts'
export { ExecutionStream, type StreamEnd, type StreamEvent, type StreamListeners } from './stream.ts'
