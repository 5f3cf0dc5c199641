import type Decoder from 'kafkajs/src/protocol/decoder.js';

/** Length of a topic id in the protocol, in bytes. */
export const UUID_BYTES = 16;

/**
 * Reads an array of a flexible version of the protocol, whose length is written plus one.
 *
 * @returns no elements if the array is null.
 */
export function readCompactArray<T>(decoder: Decoder, read: () => T): T[] {
  return Array.from({ length: Math.max(0, decoder.readUVarInt() - 1) }, read);
}

/**
 * Skips the tagged fields at the end of a structure.
 *
 * kafkajs' own method takes the size of a field for one that is written plus one. It stops a byte too early.
 */
export function skipTaggedFields(decoder: Decoder): void {
  for (let left = decoder.readUVarInt(); left > 0; left -= 1) {
    decoder.readUVarInt(); // tag
    decoder.forward(decoder.readUVarInt());
  }
}
