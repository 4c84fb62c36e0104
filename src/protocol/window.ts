import { ProtocolError, WINDOW_BYTES } from './frames.ts'

/** Told only in steps of this size: a short answer costs no credit frame at all, and the sender never runs dry. */
const CREDIT_STEP_BYTES = WINDOW_BYTES / 4

/** The receiving end's book of one direction: what came in uncredited, and how much credit is due. */
export class ReceiveWindow {
  #uncredited = 0
  #consumed = 0

  /** Throws a ProtocolError when the sender has gone beyond its window. */
  receive(bytes: number): void {
    this.#uncredited += bytes
    if (this.#uncredited > WINDOW_BYTES) throw new ProtocolError('more bytes than the window allows')
  }

  /** The credit to send now that `bytes` more have been taken; 0 when it can wait. */
  consume(bytes: number): number {
    this.#consumed += bytes
    if (this.#consumed < CREDIT_STEP_BYTES) return 0
    const credit = this.#consumed
    this.#consumed = 0
    this.#uncredited -= credit
    return credit
  }
}

/** The sending end's book: how much may still be sent. */
export class SendWindow {
  #available = WINDOW_BYTES

  get available(): number {
    return this.#available
  }

  send(bytes: number): void {
    this.#available -= bytes
  }

  /** Throws a ProtocolError for credit that was never used up. */
  credit(bytes: number): void {
    this.#available += bytes
    if (this.#available > WINDOW_BYTES) throw new ProtocolError('credit for bytes that were never sent')
  }
}
