import { encodeRetry, type EntityBatch } from '@bulk/contracts';
import type { OutgoingMessage } from '@bulk/kafka';
import type { ActionDocument } from '@bulk/mongo';
import type { StagedBatch } from './dispatch-store.ts';

/** What of an action travels with each of its batches. */
export type BatchedAction = Pick<
  ActionDocument,
  '_id' | 'accountId' | 'actionType' | 'entityType' | 'lane' | 'config' | 'dryRun' | 'retry'
>;

/** The messages of batches for the topic of their lane, the same whenever they are published. */
export function batchMessages(
  action: BatchedAction,
  batches: readonly StagedBatch[],
  cancelled: boolean,
): OutgoingMessage[] {
  const { _id, accountId, actionType, entityType, lane, dryRun } = action;
  const config = JSON.stringify(action.config);
  const retry = encodeRetry(action.retry);
  const identity = { actionId: _id, accountId, actionType, entityType, lane };
  return batches.map(({ batchNo, partition, entities }) => {
    const value: EntityBatch = {
      ...identity,
      config,
      dryRun,
      cancelled,
      retry,
      batchNo,
      entities: [...entities],
    };
    return { key: _id, value, partition, headers: { 'action-id': _id, 'batch-no': String(batchNo) } };
  });
}
