import type { Database } from '@bulk/mongo';

/**
 * Largest number of batches that one command removes, so that no command outlasts the driver's
 * time-out.
 */
const CHUNK = 500;

/** The fields of an ended action that the removal of its batches needs. */
export interface EndedAction {
  readonly _id: string;
  readonly batchCount: number;
}

/**
 * Removes the staged batches of an action, however many there are. Safe to repeat, and to run
 * concurrently with itself.
 *
 * @param signal stops the removal between two commands. What is left needs another call.
 */
export async function removeStagedBatches(
  { stagedBatches }: Database,
  actionId: string,
  signal?: AbortSignal,
): Promise<void> {
  while (signal?.aborted !== true) {
    const found = await stagedBatches.find({ actionId }, { projection: { _id: 1 }, limit: CHUNK }).toArray();
    if (found.length === 0) return;
    await stagedBatches.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
    if (found.length < CHUNK) return;
  }
}

/**
 * Divides actions into groups whose batches are removed together.
 *
 * Many small actions share a group, and a large action has a group of its own.
 */
export function removalGroups(actions: readonly EndedAction[]): string[][] {
  const groups: string[][] = [];
  let room = 0;
  for (const { _id, batchCount } of actions) {
    const group = groups.at(-1);
    if (group === undefined || batchCount > room) {
      groups.push([_id]);
      room = CHUNK - batchCount;
    } else {
      group.push(_id);
      room -= batchCount;
    }
  }
  return groups;
}

/** Removes the staged batches of a group that `removalGroups` made. Safe to repeat. */
export async function removeGroup(
  database: Database,
  group: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const [only, ...others] = group;
  if (only !== undefined && others.length === 0) await removeStagedBatches(database, only, signal);
  else if (signal?.aborted !== true) {
    await database.stagedBatches.deleteMany({ actionId: { $in: [...group] } });
  }
}
