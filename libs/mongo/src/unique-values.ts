import type { EntityType, WriteScope } from '@bulk/action-types';
import type { Fields } from '@bulk/domain';
import type { Document, Filter } from 'mongodb';
import type { Database } from './database.ts';
import { entityKey, type EntityDocument } from './documents.ts';
import { StoreError } from './errors.ts';

/** An entity that would have these fields. */
export interface Claim {
  readonly entityId: string;
  readonly fields: Fields;
}

/** Returns the fields of each unique index of an entity type. */
export function uniqueIndexes({ indexes }: EntityType): (readonly string[])[] {
  return indexes.filter(({ unique }) => unique === true).map(({ fields }) => fields);
}

/**
 * Returns the ids of the entities whose unique values belong to another stored entity. Claims are not compared with
 * each other.
 *
 * It makes one query per unique index, which uses that index.
 *
 * @throws StoreError
 */
export async function findTaken(
  database: Database,
  scope: WriteScope,
  indexes: readonly (readonly string[])[],
  claims: readonly Claim[],
): Promise<Set<string>> {
  const taken = new Set<string>();
  for (const fields of indexes) {
    const concerned = claims.filter((claim) => fields.every((field) => claim.fields[field] !== undefined));
    if (concerned.length === 0) continue;
    const owners = await readOwners(database, scope, fields, concerned);
    for (const { entityId, fields: wanted } of concerned) {
      const self = entityKey(scope.accountId, entityId);
      const others = keysOf(fields, wanted).flatMap((key) => [...(owners.get(key) ?? [])]);
      if (others.some((owner) => owner !== self)) taken.add(entityId);
    }
  }
  return taken;
}

/** Returns the `_id` of the entities that have each key of an index, for all keys that the claims want. */
async function readOwners(
  database: Database,
  { accountId, entityType }: WriteScope,
  fields: readonly string[],
  claims: readonly Claim[],
): Promise<Map<string, Set<string>>> {
  // With `$exists` the server can use the index, which contains only entities that have the fields.
  const conditions = fields.map((field) => [
    field,
    { $exists: true, $in: claims.flatMap((claim) => elementsOf(claim.fields[field])) },
  ]);
  const filter: Filter<EntityDocument> = { accountId, ...(Object.fromEntries(conditions) as Document) };
  const projection = Object.fromEntries(fields.map((field) => [field, 1]));
  const owners = new Map<string, Set<string>>();
  try {
    for await (const document of database.entities(entityType.collection).find(filter, { projection })) {
      for (const key of keysOf(fields, document)) {
        owners.set(key, (owners.get(key) ?? new Set()).add(document._id));
      }
    }
  } catch (error) {
    throw new StoreError(error);
  }
  return owners;
}

/** Returns the keys that an entity has in an index. A list as a value gives more than one key, as in MongoDB. */
function keysOf(fields: readonly string[], values: Fields): string[] {
  const keys = fields.reduce<unknown[][]>(
    (begun, field) => begun.flatMap((key) => elementsOf(values[field]).map((element) => [...key, element])),
    [[]],
  );
  return keys.map((key) => JSON.stringify(key));
}

function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
