import type { EntityStore, WriteScope } from '@bulk/action-types';
import {
  APPLIED,
  isLiving,
  recordOf,
  UNIQUE_VIOLATION,
  verdictOf,
  type ChangeResult,
  type EntityChange,
} from '@bulk/domain';
import type { Database } from './database.ts';
import { entityKey } from './documents.ts';
import { readStates } from './entity-states.ts';
import { findTaken, uniqueIndexes, type Claim } from './unique-values.ts';

/**
 * Predicts what `MongoEntityStore` would answer, by the same rules, and writes nothing: no field and no fence.
 *
 * It reads the entities as they are stored now. It ignores unique values that other entities of the same action would
 * take or release, and any change by others between the prediction and a real run.
 */
export class DryRunEntityStore implements EntityStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async write(scope: WriteScope, changes: readonly EntityChange[]): Promise<ChangeResult[]> {
    if (changes.length === 0) return [];
    const unique = uniqueIndexes(scope.entityType);
    const keyOf = ({ entityId }: EntityChange): string => entityKey(scope.accountId, entityId);
    const { collection } = scope.entityType;
    const states = await readStates(this.#database, collection, changes.map(keyOf), [
      ...new Set(unique.flat()),
    ]);
    const claims: Claim[] = [];
    const verdicts = changes.map((change) => {
      const stored = states.get(keyOf(change));
      const verdict = verdictOf(scope, change, stored);
      if (verdict === undefined && change.kind !== 'delete')
        claims.push({ entityId: change.entityId, fields: fieldsAfter(change, stored) });
      return verdict;
    });
    const taken = await findTaken(this.#database, scope, unique, claims);
    return changes.map(
      ({ entityId }, i) => verdicts[i] ?? (taken.has(entityId) ? UNIQUE_VIOLATION : APPLIED),
    );
  }
}

/** Returns the fields that an entity would have; of its present fields, only those that were read. */
function fieldsAfter(
  change: Exclude<EntityChange, { kind: 'delete' }>,
  stored: Parameters<typeof isLiving>[0],
): Claim['fields'] {
  if (change.kind === 'create' || !isLiving(stored)) return recordOf(change) ?? {};
  const after = Object.entries({ ...stored, ...change.set });
  return Object.fromEntries(after.filter(([field]) => !change.unset.includes(field)));
}
