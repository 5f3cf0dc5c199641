import type { EntityState } from '@bulk/domain';
import type { Database } from './database.ts';
import type { EntityDocument } from './documents.ts';
import { StoreError } from './errors.ts';

/** The projection that reads an `EntityState`. */
const STATE_FIELDS = {
  version: 1,
  fence: 1,
  deletedAt: 1,
  createdAt: 1,
  applied: 1,
} as const satisfies Record<keyof EntityState, 1>;

/** What an entity without a version counts as: other programs may add one. */
const UNVERSIONED: Pick<EntityState, 'version'> = { version: 0 };

/** The state of an entity, with the fields that were read. */
export type ReadState = EntityState & Readonly<Partial<EntityDocument>>;

/**
 * Reads the stored state of entities, by `_id`; tombstones too.
 *
 * @param keys the `_id` of each entity; an `_id` may be there twice.
 * @param fields fields to read in addition to the state.
 * @throws StoreError
 */
export async function readStates(
  database: Database,
  collection: string,
  keys: readonly string[],
  fields: readonly string[] = [],
): Promise<Map<string, ReadState>> {
  const projection = { ...STATE_FIELDS, ...Object.fromEntries(fields.map((field) => [field, 1])) };
  try {
    const documents = await database
      .entities(collection)
      .find({ _id: { $in: [...keys] } }, { projection })
      .toArray();
    return new Map(documents.map((document) => [document._id, { ...UNVERSIONED, ...document }]));
  } catch (error) {
    throw new StoreError(error);
  }
}
