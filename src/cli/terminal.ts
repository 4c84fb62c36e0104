// This terminal lent to a program in a sandbox: raw keys there, its size followed, and everything as before at the end.
import type { ExecutionStream } from '../../sdk/typescript/src/index.ts'

export function terminalSize(): { cols: number; rows: number } {
  // A terminal that nobody has told its size says 0.
  return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
}

/** Ctrl-C and the like go to the program as keys. Gives what undoes it. */
export function holdTerminal(stream: ExecutionStream): () => void {
  const resized = (): void => {
    const { cols, rows } = terminalSize()
    stream.resize(cols, rows)
  }
  process.stdin.setRawMode(true)
  process.stdout.on('resize', resized)
  return () => {
    process.stdout.off('resize', resized)
    process.stdin.setRawMode(false)
  }
}

/** Passes stdin on as fast as the program takes it, and its end. */
export function forwardInput(stream: ExecutionStream): { stop(): void } {
  const input = process.stdin
  const forward = async (): Promise<void> => {
    for await (const chunk of input) await stream.sendInput(new Uint8Array(Buffer.from(chunk)))
    stream.endInput()
  }
  // A read error of stdin is an end of input for the program.
  forward().catch(() => stream.endInput())
  return {
    // Otherwise a terminal that nobody types on would keep this process alive.
    stop: () => input.destroy(),
  }
}
