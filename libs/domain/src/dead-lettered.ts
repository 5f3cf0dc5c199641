import type { Entity } from './entity.ts';
import { failure, OUTCOME_CODES, type Outcome, type PositionOutcome } from './outcome.ts';

/** What an entity is known by, without its fields. */
export type EntityName = Pick<Entity, 'position' | 'id' | 'ref'>;

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
): (PositionOutcome & { readonly attempts: number })[] {
  const outcome = deadLettered(what);
  return entities.map(({ position, id, ref }) => ({ position, entityId: id, ref, outcome, attempts }));
}
