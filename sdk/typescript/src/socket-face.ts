// The part of a WebSocket the SDK needs, as the global of Node, Bun, Deno and browsers has it, and as `ws` has it too.
export interface Socket {
  binaryType: string
  readonly readyState: number
  readonly bufferedAmount: number
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open', listener: () => void): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void
  addEventListener(type: 'error', listener: (event: object) => void): void
}

export type SocketMaker = new (url: string, options?: SocketOptions) => Socket

export interface SocketOptions {
  readonly headers?: Record<string, string>
  readonly protocols?: readonly string[]
}
