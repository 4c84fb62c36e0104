// Bytes as the API carries them: JSON has no bytes, so they travel as base64.

export function toBase64(bytes: Uint8Array): string {
  const pieces: string[] = []
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)))
  }
  return btoa(pieces.join(''))
}

export function fromBase64(text: string): Uint8Array {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}

/** A piece of output or a file as the API answers it: text, or base64 where it is not valid UTF-8. */
export interface Carried {
  readonly text?: string | undefined
  readonly base64?: string | undefined
}

export function bytesOf(carried: Carried): Uint8Array {
  if (carried.base64 !== undefined) return fromBase64(carried.base64)
  return new TextEncoder().encode(carried.text ?? '')
}

export function textOf(carried: Carried): string {
  return carried.text ?? new TextDecoder().decode(bytesOf(carried))
}
