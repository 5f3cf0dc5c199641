import { MongoServerError, type Document } from 'mongodb';
import type { Database } from './database.ts';

/** An index that MongoDB is building. */
export interface IndexBuild {
  readonly collection: string;
  /** What MongoDB is doing, as it says it. */
  readonly step: string;
}

/** MongoDB's Unauthorized: the user may only see its own operations. */
const UNAUTHORIZED = 13;

/**
 * Returns the index builds under way in the database, also those whose client has gone, if the user may see them
 * (`inprog`).
 *
 * @throws the driver's error if MongoDB does not answer.
 */
export async function indexBuilds(database: Database): Promise<IndexBuild[]> {
  const { databaseName } = database.db;
  let found: readonly Document[];
  try {
    found = await operations(database, true);
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== UNAUTHORIZED) throw error;
    found = await operations(database, false);
  }
  return buildsAmong(found, databaseName);
}

async function operations({ db }: Database, allUsers: boolean): Promise<Document[]> {
  const answer = await db.admin().command({
    aggregate: 1,
    pipeline: [
      { $currentOp: { allUsers } },
      { $match: { $or: [{ 'command.createIndexes': { $exists: true } }, { msg: /^Index Build/ }] } },
    ],
    cursor: {},
  });
  return (answer['cursor'] as { readonly firstBatch: Document[] }).firstBatch;
}

/** Returns the index builds of a database among operations that `$currentOp` reports. */
export function buildsAmong(found: readonly Document[], databaseName: string): IndexBuild[] {
  const steps = new Map<string, string>();
  for (const operation of found) {
    const [name, collection] = namespaceOf(operation);
    if (name !== databaseName || collection === undefined) continue;
    const step = typeof operation['msg'] === 'string' ? operation['msg'] : undefined;
    steps.set(collection, step ?? steps.get(collection) ?? 'createIndexes');
  }
  return [...steps].map(([collection, step]) => ({ collection, step }));
}

/** The command names the collection; the namespace of its operation may end in `$cmd`. */
function namespaceOf({ ns, command }: Document): readonly [string, string | undefined] {
  const [name = '', ...rest] = String(ns).split('.');
  const created: unknown = (command as Document | undefined)?.['createIndexes'];
  return [name, typeof created === 'string' ? created : rest.join('.') || undefined];
}
