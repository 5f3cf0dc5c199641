import type { WriteScope } from '@bulk/action-types';
import type { EntityChange, EntityState } from '@bulk/domain';
import type { Database } from './database.ts';
import { entityKey, type EntityDocument } from './documents.ts';
import { StoreError } from './errors.ts';

/** The projection that reads an `EntityState`. */
const STATE_FIELDS = { version: 1, fence: 1, deletedAt: 1 } as const satisfies Record<keyof EntityState, 1>;

/**
 * Reads the stored state of the entities to change, by entity id; tombstones too.
 *
 * @param fields fields to read in addition to the state.
 * @throws StoreError
 */
export async function readStates(
  database: Database,
  { accountId, entityType }: WriteScope,
  changes: readonly EntityChange[],
  fields: readonly string[] = [],
): Promise<Map<string, EntityState & Readonly<Partial<EntityDocument>>>> {
  const idOf = new Map(changes.map(({ entityId }) => [entityKey(accountId, entityId), entityId]));
  const projection = { ...STATE_FIELDS, ...Object.fromEntries(fields.map((field) => [field, 1])) };
  try {
    const documents = await database
      .entities(entityType.collection)
      .find({ _id: { $in: [...idOf.keys()] } }, { projection })
      .toArray();
    return new Map(documents.map((document) => [idOf.get(document._id) ?? '', document]));
  } catch (error) {
    throw new StoreError(error);
  }
}
