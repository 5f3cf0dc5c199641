import type { Database } from './database.ts';
import type { ActionLogDocument } from './documents.ts';
import { DUPLICATE_KEY, refusedWrites, StoreError } from './errors.ts';

/**
 * Stores the logs of batches that have none yet, and leaves the others as they are.
 *
 * @returns the ids of the logs that existed already.
 * @throws StoreError.
 */
export async function insertLogs(
  { actionLogs }: Pick<Database, 'actionLogs'>,
  logs: readonly ActionLogDocument[],
): Promise<string[]> {
  try {
    await actionLogs.insertMany([...logs], { ordered: false });
    return [];
  } catch (error) {
    const refused = refusedWrites(error);
    if (refused === undefined || refused.some(({ code }) => code !== DUPLICATE_KEY))
      throw new StoreError(error);
    return refused.flatMap(({ index }) => logs[index]?._id ?? []);
  }
}
