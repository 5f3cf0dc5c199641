import { createHash } from 'node:crypto';

/** The namespace of the ids of entities that `matchBy` has not found. It must never change. */
const NAMESPACE = '6d0c6dcd-a150-474a-b7ba-39ca4a360ee4';

const UUID_BYTES = 16;
const VERSION_5 = 0x50;
const VARIANT = 0x80;

/** Computes a UUID of version 5: SHA-1 of the namespace and the name in UTF-8 (RFC 9562, section 5.5). */
export function uuidv5(namespace: string, name: string): string {
  const digest = createHash('sha1')
    .update(Buffer.from(namespace.replaceAll('-', ''), 'hex'))
    .update(name);
  const bytes = digest.digest().subarray(0, UUID_BYTES);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | VERSION_5, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | VARIANT, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The value of a field that belongs to no entity of an account. */
export interface UnmatchedValue {
  readonly accountId: string;
  readonly entityType: string;
  readonly field: string;
  readonly value: string;
}

/**
 * Returns the id of the entity that an upsert makes for a value that no entity has. Every action derives the same id, so
 * actions at the same time make one entity.
 *
 * @param attempt how many derived ids of the value belong to entities that have another value by now.
 */
export function derivedEntityId(
  { accountId, entityType, field, value }: UnmatchedValue,
  attempt: number,
): string {
  const name = [accountId, entityType, field, value, ...(attempt === 0 ? [] : [attempt])];
  return uuidv5(NAMESPACE, JSON.stringify(name));
}
