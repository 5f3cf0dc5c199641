import type { EntityType } from '@bulk/action-types';
import type { Filter } from 'mongodb';
import type { Database } from './database.ts';
import { entityIdOf, entityKey, type EntityDocument } from './documents.ts';
import { StoreError } from './errors.ts';

/** The entities of one type in one account. */
export interface EntityScope {
  readonly accountId: string;
  readonly entityType: EntityType;
}

/** The entities that have a value. */
export interface FoundEntities {
  /** Ids of the first entities that were found, at most `maxIds`. */
  readonly ids: readonly string[];
  /** Number of entities that have the value; a lower bound unless `complete`. */
  readonly count: number;
  readonly complete: boolean;
}

/** Fewest documents of a page. A page always has room for two documents of some value. */
const MIN_PAGE = 1_000;

/**
 * Finds the living entities of an account whose field has one of these values, exactly as they are stored.
 *
 * A query reads a page of documents by the index of the field. If many entities share a value, the entities beyond a full
 * page are not counted: two are enough to know that the value is ambiguous.
 *
 * @param maxIds maximum number of ids that are kept of one value.
 * @returns the entities of each value that has any.
 * @throws StoreError
 */
export async function findByField(
  database: Database,
  { accountId, entityType }: EntityScope,
  field: string,
  values: readonly string[],
  maxIds: number,
): Promise<Map<string, FoundEntities>> {
  const settled = new Map<string, FoundEntities>();
  let open = [...new Set(values)];
  while (open.length > 0) {
    const page = Math.max(MIN_PAGE, 2 * open.length);
    // No value is null, so the server can use a unique index, which contains only entities that have the field.
    const filter: Filter<EntityDocument> = { accountId, [field]: { $in: open } };
    const { found, read } = await readPage(database, entityType, filter, field, page, maxIds);
    const complete = read < page;
    for (const [value, { keys, count }] of found) {
      if (!complete && count < 2) continue;
      settled.set(value, { ids: keys.map((key) => entityIdOf(accountId, key)), count, complete });
    }
    if (complete) break;
    const left = open.filter((value) => !settled.has(value));
    // Some value has two entities of a full page, unless the collection compares texts by a collation of its own.
    if (left.length === open.length) throw new Error(`${entityType.collection}: expected exact comparisons`);
    open = left;
  }
  return settled;
}

interface Page {
  readonly found: ReadonlyMap<string, { readonly keys: readonly string[]; readonly count: number }>;
  /** Number of documents. */
  readonly read: number;
}

async function readPage(
  database: Database,
  entityType: EntityType,
  filter: Filter<EntityDocument>,
  field: string,
  limit: number,
  maxIds: number,
): Promise<Page> {
  const found = new Map<string, { keys: string[]; count: number }>();
  const wanted = new Set((filter[field] as { $in: readonly string[] }).$in);
  let read = 0;
  const cursor = database
    .entities(entityType.collection)
    .find(filter, { projection: { [field]: 1 }, limit, batchSize: limit });
  try {
    for await (const document of cursor) {
      read += 1;
      // Another program may have stored a list, which MongoDB compares element by element.
      const stored: unknown = document[field];
      for (const value of new Set<unknown>(Array.isArray(stored) ? stored : [stored])) {
        if (typeof value !== 'string' || !wanted.has(value)) continue;
        const entities = found.get(value) ?? { keys: [], count: 0 };
        if (entities.keys.length < maxIds) entities.keys.push(document._id);
        entities.count += 1;
        found.set(value, entities);
      }
    }
  } catch (error) {
    throw new StoreError(error);
  }
  return { found, read };
}

/**
 * Reads one field of the living entities among these ids.
 *
 * @returns id → the value, `undefined` if the entity has none. An absent entity is not in the map.
 * @throws StoreError
 */
export async function readField(
  database: Database,
  { accountId, entityType }: EntityScope,
  field: string,
  ids: readonly string[],
): Promise<Map<string, unknown>> {
  const filter: Filter<EntityDocument> = {
    _id: { $in: ids.map((id) => entityKey(accountId, id)) },
    deletedAt: { $exists: false },
  };
  const values = new Map<string, unknown>();
  const cursor = database.entities(entityType.collection).find(filter, { projection: { [field]: 1 } });
  try {
    for await (const document of cursor) {
      values.set(entityIdOf(accountId, document._id), document[field]);
    }
  } catch (error) {
    throw new StoreError(error);
  }
  return values;
}
