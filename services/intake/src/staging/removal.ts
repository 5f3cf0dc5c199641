import type { Database } from '@bulk/mongo';

/** Batches removed by one operation, so that none takes longer than the driver waits. */
const CHUNK = 200;

/** Removes the staged batches of an action, however many there are. Safe to repeat, and to run beside itself. */
export async function removeStagedBatches({ stagedBatches }: Database, actionId: string): Promise<void> {
  for (;;) {
    const found = await stagedBatches.find({ actionId }, { projection: { _id: 1 }, limit: CHUNK }).toArray();
    if (found.length === 0) return;
    await stagedBatches.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } });
  }
}
