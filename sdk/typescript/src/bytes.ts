// Bytes as the API carries them: JSON has no bytes, so they travel as base64.

export function toBase64(bytes: Uint8Array): string {
  if (typeof Buffer !== 'undefined') {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  }
  let binary = ''
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000))
  }
  return btoa(binary)
}

export function fromBase64(text: string): Uint8Array {
  if (typeof Buffer !== 'undefined') return new Uint8Array(Buffer.from(text, 'base64'))
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}

/** A piece of output or a file as the API answers it: text, or base64 where it is not valid UTF-8. */
export type Carried = { readonly text?: string | undefined; readonly base64?: string | undefined }

export function bytesOf(carried: Carried): Uint8Array {
  if (carried.base64 !== undefined) return fromBase64(carried.base64)
  return new TextEncoder().encode(carried.text ?? '')
}

export function textOf(carried: Carried): string {
  return carried.text ?? new TextDecoder().decode(bytesOf(carried))
}
