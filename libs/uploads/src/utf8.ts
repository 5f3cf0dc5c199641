import { isUtf8 } from 'node:buffer';

/** Returns the length of the character that starts with this byte; 0 if the byte starts none. */
function lengthOf(byte: number): number {
  if (byte < 0x80) return 1;
  if (byte >= 0xc2 && byte < 0xe0) return 2;
  if (byte >= 0xe0 && byte < 0xf0) return 3;
  if (byte >= 0xf0 && byte < 0xf5) return 4;
  return 0;
}

/** Returns the length of a buffer without the start of a character that the next chunk may complete. */
export function completeUtf8Length(buffer: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, buffer.length); back += 1) {
    const length = lengthOf(buffer[buffer.length - back] ?? 0);
    if (length === 0) continue;
    return length > back ? buffer.length - back : buffer.length;
  }
  return buffer.length;
}

/** Returns the index of the first byte, from `from` on, that is not part of a character; -1 if there is none. */
export function invalidUtf8At(buffer: Uint8Array, from: number): number {
  let at = from;
  while (at < buffer.length) {
    const length = lengthOf(buffer[at] ?? 0);
    if (length === 0 || at + length > buffer.length || !isUtf8(buffer.subarray(at, at + length))) return at;
    at += length;
  }
  return -1;
}
