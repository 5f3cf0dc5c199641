import type { EntityStore, WriteScope } from '@bulk/action-types';
import {
  isLiving,
  resolveChange,
  trailOf,
  UNIQUE_VIOLATION,
  type ChangeResult,
  type EntityChange,
  type ResolvedWrite,
} from '@bulk/domain';
import type { Database } from './database.ts';
import { entityKey } from './documents.ts';
import { readStates, type ReadState } from './entity-states.ts';
import { fieldsToRead } from './planned-change.ts';
import { findTaken, uniqueIndexes, type Claim } from './unique-values.ts';

/**
 * Predicts what `MongoEntityStore` would answer, by the same rules, and writes nothing: no field and no fence.
 *
 * It reads the entities as they are stored now, so it knows the effect and the version of every change. It ignores unique
 * values that other entities of the same action would take or release, and any change by others between the prediction
 * and a real run.
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
    const fields = new Set([...unique.flat(), ...fieldsToRead(scope, changes)]);
    const states = await readStates(this.#database, collection, changes.map(keyOf), [...fields]);
    const claims: Claim[] = [];
    const resolved = changes.map((change) => {
      const stored = states.get(keyOf(change));
      const one = resolveChange(scope, change, stored);
      if (one.kind === 'write' && one.effect !== 'deleted')
        claims.push({ entityId: change.entityId, fields: fieldsAfter(one, stored) });
      return one;
    });
    const taken = await findTaken(this.#database, scope, unique, claims);
    return resolved.map((one, i) => {
      if (one.kind === 'result') return one.result;
      return taken.has(changes[i]?.entityId ?? '') ? UNIQUE_VIOLATION : { kind: 'applied', ...trailOf(one) };
    });
  }
}

/** Returns the fields that an entity would have; of its present fields, only those that were read. */
function fieldsAfter({ effect, set, unset }: ResolvedWrite, stored: ReadState | undefined): Claim['fields'] {
  if (effect === 'created' || !isLiving(stored)) return set;
  const after = Object.entries({ ...stored, ...set });
  return Object.fromEntries(after.filter(([field]) => !unset.includes(field)));
}
