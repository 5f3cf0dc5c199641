import { entityBatchEncoder, HEADERS } from '@bulk/contracts';
import type { StopCause } from '@bulk/domain';
import type { OutgoingMessage } from '@bulk/kafka';
import type { ActionDocument } from '@bulk/mongo';
import type { StagedBatch } from './staged-batch.ts';

/** The fields of an action that travel with each of its batches. */
export type BatchedAction = Pick<
  ActionDocument,
  | '_id'
  | 'accountId'
  | 'actionType'
  | 'entityType'
  | 'lane'
  | 'config'
  | 'dryRun'
  | 'retry'
  | 'rootActionId'
  | 'changes'
>;

/**
 * Builds the messages of batches for the topic of their lane. They are the same whenever they are
 * published.
 *
 * @param stopCause why their positions are skipped; `undefined` if they are applied.
 */
export function batchMessages(
  action: BatchedAction,
  batches: readonly StagedBatch[],
  stopCause: StopCause | undefined,
): OutgoingMessage[] {
  const { _id, accountId, actionType, entityType, lane, config, dryRun } = action;
  const identity = { actionId: _id, accountId, actionType, entityType, lane };
  const encode = entityBatchEncoder(identity, config, {
    dryRun,
    cancelled: stopCause !== undefined,
    failed: stopCause === 'failed',
    retry: action.retry ?? null,
    rootActionId: action.rootActionId ?? null,
    changes: action.changes ?? 'none',
  });
  return batches.map((batch) => ({
    key: _id,
    value: encode(batch),
    partition: batch.partition,
    headers: { [HEADERS.actionId]: _id, [HEADERS.batchNo]: String(batch.batchNo) },
  }));
}
