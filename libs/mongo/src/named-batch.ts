import type { AttemptedOutcome, BatchName } from '@bulk/contracts';
import { failure, OUTCOME_CODES, type ActionIdentity, type Entity, type Outcome } from '@bulk/domain';
import { ACCEPTED } from './actions/status-updates.ts';
import type { Database } from './database.ts';
import { stored } from './errors.ts';

/** What an entity is known by, without its fields. */
export type EntityName = Pick<Entity, 'position' | 'id' | 'ref'>;

/** A batch whose message cannot be read, as it was staged. */
export interface NamedBatch {
  readonly identity: ActionIdentity;
  readonly batchNo: number;
  /** Partition of its lane. */
  readonly partition: number;
  readonly entities: readonly EntityName[];
}

/**
 * The batch of an accepted action, for as long as it is kept: by its name alone, as a message's headers give it.
 *
 * @returns undefined where there is no such batch (any more).
 * @throws StoreError.
 */
export async function findNamedBatch(
  database: Database,
  { actionId, batchNo }: BatchName,
): Promise<NamedBatch | undefined> {
  const [action, batch] = await Promise.all([
    stored(database.actions.findOne({ _id: actionId, ...ACCEPTED })),
    stored(database.stagedBatches.findOne({ _id: `${actionId}:${batchNo}` })),
  ]);
  if (action === null || batch === null) return undefined;
  const { accountId, actionType, entityType, lane } = action;
  return {
    identity: { actionId, accountId, actionType, entityType, lane },
    batchNo,
    partition: batch.partition,
    entities: batch.entities.map(({ position, id, ref }) => ({ position, id, ref })),
  };
}

/** What a customer reads of a dead letter; why it is one is in the letter and in our logs. */
const DEAD_LETTER_MESSAGES = {
  batch: 'the batch of this entity could not be processed; the operator can replay it',
  result: 'the result of the batch of this entity could not be counted; the operator can replay it',
} as const;

/** Returns the outcome of each position of a message that is a dead letter. */
export function deadLettered(what: keyof typeof DEAD_LETTER_MESSAGES): Outcome {
  return failure(OUTCOME_CODES.DEAD_LETTERED, DEAD_LETTER_MESSAGES[what]);
}

/** The outcomes of a batch that nobody can process, so that its action completes all the same (G6). */
export function deadLetteredOutcomes(
  entities: readonly EntityName[],
  what: keyof typeof DEAD_LETTER_MESSAGES,
  attempts: number,
): AttemptedOutcome[] {
  const outcome = deadLettered(what);
  return entities.map(({ position, id, ref }) => ({ position, entityId: id, ref, outcome, attempts }));
}
