import { randomUUID } from 'node:crypto';
import { BulkApiError } from '@bulk/client';
import { isDuplicateKey, stored, type ActionDocument, type Database } from '@bulk/mongo';

/** Returns whether the API says that another request holds the Idempotency-Key. */
export function isKeyHeld(error: unknown): boolean {
  return error instanceof BulkApiError && error.code === 'IDEMPOTENCY_IN_PROGRESS';
}

/**
 * Returns whether the unique index on Idempotency-Keys holds a key of which there is no document.
 *
 * SecantusDB 0.5.3, a replacement of MongoDB, leaves such entries: of 539 insertions whose
 * connections were reset, 54 left their key in the index and no document. No later request can have
 * the key, and only another key helps. MongoDB itself inserts both or neither.
 *
 * @throws StoreError.
 */
export async function isOrphaned(
  { actions }: Pick<Database, 'actions'>,
  accountId: string,
  key: string,
): Promise<boolean> {
  const holder = { accountId, 'idempotency.key': key };
  if ((await stored(actions.countDocuments(holder))) > 0) return false;
  const probe = { _id: randomUUID(), accountId, idempotency: { key, digest: null } };
  try {
    // No service reads a document without a status.
    await stored(actions.insertOne(probe as unknown as ActionDocument));
  } catch (error) {
    if (isDuplicateKey(error)) return (await stored(actions.countDocuments(holder))) === 0;
    throw error;
  }
  await stored(actions.deleteOne({ _id: probe._id }));
  return false;
}
