import { MongoServerError, type Document, type IndexDescriptionInfo } from 'mongodb';
import type { Database } from './database.ts';

/** The indexes of a collection, by name. */
export interface IndexList {
  readonly complete: ReadonlyMap<string, IndexDescriptionInfo>;
  /** Names of the indexes that MongoDB is still building. Queries do not use them, and they refuse no value. */
  readonly building: ReadonlySet<string>;
}

/** MongoDB's NamespaceNotFound: the collection does not exist. */
const NO_COLLECTION = 26;
/** MongoDB's FailedToParse, InvalidOptions, APIStrictError and IDLUnknownField: the server does not take an option. */
const OPTION_REFUSED: ReadonlySet<unknown> = new Set([9, 72, 323, 40_415]);

/**
 * Reads the indexes of a collection, which need not exist, and distinguishes those that are complete from those that are not.
 *
 * Without `includeBuildUUIDs` MongoDB lists an index from the start of its build on, like a complete one. A server that
 * does not take the option is asked without it.
 *
 * @throws the driver's error.
 */
export async function readIndexes(database: Database, collection: string): Promise<IndexList> {
  try {
    return indexListOf(await listed(database, collection, { includeBuildUUIDs: true }));
  } catch (error) {
    if (!(error instanceof MongoServerError) || !OPTION_REFUSED.has(error.code)) throw error;
    return indexListOf(await listed(database, collection, {}));
  }
}

/** Builds the list from the answer to `listIndexes`, in which an index under construction is a `spec` with a `buildUUID`. */
export function indexListOf(entries: readonly Document[]): IndexList {
  const complete = new Map<string, IndexDescriptionInfo>();
  const building = new Set<string>();
  for (const entry of entries) {
    const isWrapped = entry['spec'] !== undefined;
    const index = (isWrapped ? entry['spec'] : entry) as IndexDescriptionInfo;
    if (isWrapped && entry['buildUUID'] !== undefined) building.add(String(index.name));
    else complete.set(String(index.name), index);
  }
  return { complete, building };
}

async function listed({ db }: Database, collection: string, options: Document): Promise<Document[]> {
  try {
    const cursor = db.runCursorCommand({ listIndexes: collection, cursor: {}, ...options });
    return (await cursor.toArray()) as Document[];
  } catch (error) {
    if (error instanceof MongoServerError && error.code === NO_COLLECTION) return [];
    throw error;
  }
}
