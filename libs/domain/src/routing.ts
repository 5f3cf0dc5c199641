/**
 * Computes Murmur2 (Austin Appleby, public domain), 32 bits, seed 0x9747b28c. Kafka's default partitioner uses this
 * hash, so a producer in any language can compute the same partition with its client's built-in function.
 *
 * @returns a signed 32-bit integer.
 */
export function murmur2(data: Uint8Array): number {
  const m = 0x5bd1e995;
  const length = data.length;
  const view = new DataView(data.buffer, data.byteOffset, length);
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = Math.imul(view.getInt32(i, true), m);
    k = Math.imul(k ^ (k >>> 24), m);
    h = Math.imul(h, m) ^ k;
  }
  const rest = length - i;
  if (rest > 0) {
    for (let b = rest - 1; b >= 0; b -= 1) h ^= view.getUint8(i + b) << (8 * b);
    h = Math.imul(h, m);
  }
  h = Math.imul(h ^ (h >>> 13), m);
  return (h ^ (h >>> 15)) | 0;
}

const encoder = new TextEncoder();

/**
 * Returns the partition of an entity in every lane: `murmur2("entityType:entityId")` made positive, modulo the number
 * of partitions.
 *
 * All occurrences of an entity meet in one partition, in order (G4, G5). Therefore the number of partitions of a lane
 * is fixed when its topic is created.
 */
export function partitionOf(entityType: string, entityId: string, partitions: number): number {
  return (murmur2(encoder.encode(`${entityType}:${entityId}`)) & 0x7fffffff) % partitions;
}
