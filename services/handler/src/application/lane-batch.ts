import type { EntityBatchContent } from '@bulk/contracts';
import type { ReceivedMessage } from '@bulk/kafka';
import type { BatchAt } from './batch-applier.ts';

/** A batch with the message of its lane that brought it, even if it comes from a retry topic. */
export interface LaneBatch extends BatchAt {
  readonly message: ReceivedMessage;
  /** Time of the batch's first try, in ms since the epoch. */
  readonly firstTriedAt: number;
  /** How often the batch was put into a retry topic. */
  readonly postponed: number;
  /** Whether its action type processes entities one by one, so that the batch is a group of its own. */
  readonly isAlone: boolean;
}

/** What a result says of its batch in addition to the outcomes. */
export interface ReportedBatch extends Pick<EntityBatchContent, 'identity' | 'batchNo'> {
  readonly generation: number;
}

/** Returns what the result of a batch says of it. */
export function reportedBatchOf({
  content: { identity, batchNo },
  generation,
}: Pick<LaneBatch, 'content' | 'generation'>): ReportedBatch {
  return { identity, batchNo, generation };
}
