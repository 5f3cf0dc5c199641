import { OUTCOME_CODES, skipped, type Entity, type Outcome } from '@bulk/domain';

/** The entities of a batch, split by whether each position is the first of its entity. */
export interface Partitioned {
  /** The entities to process: each id once, in order of position. */
  readonly firsts: readonly Entity[];
  /** Position → outcome, for positions that are not the first of their entity. */
  readonly duplicates: ReadonlyMap<number, Outcome>;
}

/**
 * Splits a batch by the first position of each entity (G4).
 *
 * @param first for each entity, its lowest position in the action: its own, or an earlier one.
 */
export function splitDuplicates(entities: readonly Entity[], first: readonly number[]): Partitioned {
  const firsts: Entity[] = [];
  const duplicates = new Map<number, Outcome>();
  entities.forEach((entity, i) => {
    const owner = first[i];
    if (owner === undefined || owner === entity.position) firsts.push(entity);
    else duplicates.set(entity.position, duplicateOf(owner));
  });
  return { firsts, duplicates };
}

function duplicateOf(position: number): Outcome {
  return skipped(
    OUTCOME_CODES.DUPLICATE_ENTITY,
    `the entity already occurs at position ${position}; only its first position is processed`,
  );
}
