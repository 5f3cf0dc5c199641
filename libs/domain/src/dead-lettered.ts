import type { Entity } from './entity.ts';
import { failure, OUTCOME_CODES, type Outcome, type PositionOutcome } from './outcome.ts';

/** The identity of an entity, without its fields. */
export type EntityName = Pick<Entity, 'position' | 'id' | 'ref'>;

/** The messages that a customer reads about a dead letter. Its cause is in the dead letter and in our logs. */
const DEAD_LETTER_MESSAGES = {
  batch: 'the batch of this entity could not be processed; the operator can replay it',
  result: 'the result of the batch of this entity could not be counted; the operator can replay it',
} as const;

/** Returns the outcome of each position of a message that is a dead letter. */
export function deadLettered(what: keyof typeof DEAD_LETTER_MESSAGES): Outcome {
  return failure(OUTCOME_CODES.DEAD_LETTERED, DEAD_LETTER_MESSAGES[what]);
}

/** Returns the outcomes of a batch that cannot be processed, so that its action still completes (G6). */
export function deadLetteredOutcomes(
  entities: readonly EntityName[],
  what: keyof typeof DEAD_LETTER_MESSAGES,
  attempts: number,
): (PositionOutcome & { readonly attempts: number })[] {
  const outcome = deadLettered(what);
  return entities.map(({ position, id, ref }) => ({ position, entityId: id, ref, outcome, attempts }));
}
